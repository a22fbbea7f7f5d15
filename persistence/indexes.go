package persistence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"chatbox/internal/retry"
)

// Names of the indexes.
const (
	indexSeq     = "tenant_session_seq"
	indexKey     = "tenant_session_key"
	indexPending = "pending_time"
	indexUnsaid  = "tenant_session_pending"
	indexSession = "tenant_session"
	indexOwner   = "tenant_owner_activity"
	indexSweep   = "sweep_at"
	indexExpires = "expires"
	indexUser    = "tenant_user"
	indexBefore  = "before"
	indexHeld    = "held"
	indexWords   = "tenant_words_time"
	indexNames   = "tenant_name_words"
)

// messageIndexes returns the indexes of messages. The unique ones begin with the
// shard key {tenant, session}, as sharding requires.
func messageIndexes() []mongo.IndexModel {
	return []mongo.IndexModel{
		{
			Keys:    bson.D{{Key: "tenant", Value: 1}, {Key: "session", Value: 1}, {Key: "seq", Value: 1}},
			Options: options.Index().SetName(indexSeq).SetUnique(true),
		},
		{
			Keys:    bson.D{{Key: "tenant", Value: 1}, {Key: "session", Value: 1}, {Key: "key", Value: 1}},
			Options: options.Index().SetName(indexKey).SetUnique(true),
		},
		{
			Keys: bson.D{{Key: "time", Value: 1}},
			Options: options.Index().SetName(indexPending).
				SetPartialFilterExpression(bson.D{{Key: "turn.state", Value: "pending"}}),
		},
		{
			// It has fields other than those of indexSeq, because some servers
			// refuse two indexes with the same fields.
			Keys: bson.D{
				{Key: "tenant", Value: 1}, {Key: "session", Value: 1}, {Key: "turn.state", Value: 1}, {Key: "seq", Value: 1},
			},
			Options: options.Index().SetName(indexUnsaid).
				SetPartialFilterExpression(bson.D{{Key: "turn.state", Value: "pending"}}),
		},
		taskIndex(fieldAlert),
		taskIndex(fieldTranscript),
	}
}

func sessionIndexes() []mongo.IndexModel {
	return []mongo.IndexModel{
		{
			Keys:    bson.D{{Key: "tenant", Value: 1}, {Key: "session", Value: 1}},
			Options: options.Index().SetName(indexSession).SetUnique(true),
		},
		{
			Keys: bson.D{
				{Key: "tenant", Value: 1},
				{Key: "owner", Value: 1},
				{Key: "last_activity", Value: -1},
				{Key: "session", Value: 1},
			},
			Options: options.Index().SetName(indexOwner),
		},
		{
			Keys: bson.D{{Key: "state.holder", Value: 1}},
			Options: options.Index().SetName(indexHeld).
				SetPartialFilterExpression(bson.D{{Key: "state.holder", Value: bson.D{{Key: "$gt", Value: ""}}}}),
		},
		{
			Keys: bson.D{{Key: "sweep_at", Value: 1}},
			Options: options.Index().SetName(indexSweep).
				SetPartialFilterExpression(bson.D{{Key: "sweeping", Value: true}}),
		},
	}
}

// shareIndexes returns the indexes of shares besides _id, which is the token's
// digest and finds a share.
func shareIndexes() []mongo.IndexModel {
	return []mongo.IndexModel{
		{
			Keys:    bson.D{{Key: "tenant", Value: 1}, {Key: "session", Value: 1}},
			Options: options.Index().SetName(indexSession),
		},
		{
			Keys:    bson.D{{Key: "expires", Value: 1}},
			Options: options.Index().SetName(indexExpires),
		},
	}
}

func withdrawalIndexes() []mongo.IndexModel {
	return []mongo.IndexModel{{
		Keys:    bson.D{{Key: "tenant", Value: 1}, {Key: "user", Value: 1}},
		Options: options.Index().SetName(indexUser).SetUnique(true),
	}, {
		Keys:    bson.D{{Key: "before", Value: 1}},
		Options: options.Index().SetName(indexBefore),
	}}
}

// EnsureIndexes creates the missing indexes. It returns as soon as the indexes
// exist that the store's guarantees need, and the store then accepts writes. It
// does not wait for the indexes that only speed up staff's reads, because those
// take long to build on a large history.
//
// While the server is unavailable it retries until ctx ends. It returns an error
// at once if a retry cannot help: missing rights, an index of that name with
// other fields, or duplicates. Many pods may call it concurrently, and it may be
// called repeatedly. The caller must first have checked the pod's keys against
// the cluster's with Survey.
func (s *Store) EnsureIndexes(ctx context.Context) error {
	s.trusted.Store(true)
	b := retry.Backoff{First: 100 * time.Millisecond, Longest: 5 * time.Second}
	if err := retry.While(ctx, b, passing, func() error { return s.MakeIndexes(ctx) }); err != nil {
		return fmt.Errorf("persistence: create the indexes: %w", errors.Join(ctx.Err(), err))
	}
	return nil
}

// MakeIndexes makes one attempt of EnsureIndexes.
func (s *Store) MakeIndexes(ctx context.Context) error {
	if err := s.makeIndexes(ctx); err != nil {
		return err
	}
	s.indexed.Store(true)
	return s.makeStaffIndexes(ctx)
}

// indexing is a collection and indexes that it must have.
type indexing struct {
	in   *mongo.Collection
	made []mongo.IndexModel
}

// neededIndexes returns the indexes that the store's guarantees need.
func (s *Store) neededIndexes() []indexing {
	return []indexing{
		{s.messages, messageIndexes()},
		{s.sessions, sessionIndexes()},
		{s.shares, shareIndexes()},
		{s.blocks, blockIndexes()},
		{s.cards, cardIndexes()},
		{s.files, fileIndexes()},
		{s.withdrawals, withdrawalIndexes()},
	}
}

func (s *Store) makeIndexes(ctx context.Context) error {
	return s.do(ctx, "indexes", func(ctx context.Context) error {
		for _, of := range s.neededIndexes() {
			if _, err := of.in.Indexes().CreateMany(ctx, of.made); err != nil {
				return err
			}
		}
		return nil
	})
}

// passing reports whether the error is transient: the server was not reached or
// could not decide, so a retry may succeed.
func passing(err error) bool {
	command, ok := errors.AsType[mongo.CommandError](err)
	if !ok {
		return !errors.Is(err, mongo.ErrClientDisconnected)
	}
	const (
		authFailed     = 18
		unauthorized   = 13
		optionsDiffer  = 85
		keysDiffer     = 86
		duplicateKey   = 11000
		cannotCreate   = 67
		notImplemented = 238
	)
	switch command.Code {
	case authFailed, unauthorized, optionsDiffer, keysDiffer, duplicateKey, cannotCreate, notImplemented:
		return false
	default:
		return true
	}
}
