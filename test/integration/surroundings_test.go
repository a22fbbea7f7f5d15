//go:build integration

package integration

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"chatbox"
	"chatbox/app"
	"chatbox/persistence"
	"chatbox/test/conformance"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// unprepared is a store that may not be used before its survey.
func unprepared(tb testing.TB, cfg persistence.Config, keys ...persistence.Key) *persistence.Store {
	tb.Helper()
	ring, err := persistence.NewKeyring(keys)
	require.NoError(tb, err)
	s, err := persistence.Open(tb.Context(), cfg, ring)
	require.NoError(tb, err)
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), 10*time.Second)
		defer cancel()
		assert.NoError(tb, s.Close(ctx))
	})
	return s
}

func TestStore_Keys(t *testing.T) {
	conformance.Keys(t, func(t *testing.T) conformance.KeysFixture {
		t.Helper()
		db := mongoDatabase(t)
		book := db.Collection("keys")
		return conformance.KeysFixture{
			Open: func(t *testing.T, keys ...persistence.Key) (conformance.Stores, func(context.Context) error) {
				t.Helper()
				s := unprepared(t, mongoConfig(t, db), keys...)
				return storePorts(s), func(ctx context.Context) error {
					if _, err := s.Survey(ctx); err != nil {
						_, lerr := s.Sessions().Load(ctx, chatbox.SessionKey{ID: "s"})
						assert.ErrorIs(t, lerr, chatbox.StoreFailed, "it may not be read either")
						return err
					}
					return s.EnsureIndexes(ctx)
				}
			},
			Forget: func(t *testing.T) {
				t.Helper()
				require.NoError(t, book.Drop(t.Context()))
			},
			Retire: func(t *testing.T, id string) { // as the runbook has it
				t.Helper()
				done, err := book.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: "keys"}, {Key: "keys.id", Value: id}}, bson.D{
					{Key: "$set", Value: bson.D{{Key: "keys.$.retired", Value: true}}}, {Key: "$inc", Value: bson.D{{Key: "revision", Value: 1}}},
				})
				require.NoError(t, err)
				if done.MatchedCount > 0 {
					return
				}
				_, err = book.InsertOne(t.Context(), bson.D{
					{Key: "_id", Value: "keys"},
					{Key: "revision", Value: 1},
					{Key: "keys", Value: bson.A{bson.D{{Key: "id", Value: id}, {Key: "retired", Value: true}}}},
				})
				require.NoError(t, err)
			},
			AlterBox: func(t *testing.T, k chatbox.SessionKey, seq int64) {
				t.Helper()
				var doc struct{ Box []byte }
				require.NoError(t, db.Collection("messages").FindOne(t.Context(), messageFilter(k, seq)).Decode(&doc))
				doc.Box[len(doc.Box)-1] ^= 1
				_, err := db.Collection("messages").UpdateOne(t.Context(), messageFilter(k, seq),
					bson.D{{Key: "$set", Value: bson.D{{Key: "box", Value: doc.Box}}}})
				require.NoError(t, err)
			},
			AtRest: func(t *testing.T) []byte { t.Helper(); return everything(t, db) },
		}
	})
}

// everything is all documents and the indexes' names.
func everything(t *testing.T, db *mongo.Database) []byte {
	t.Helper()
	out := allDocuments(t, db)
	names, err := db.ListCollectionNames(t.Context(), bson.D{})
	require.NoError(t, err)
	for _, name := range names {
		specs, err := db.Collection(name).Indexes().ListSpecifications(t.Context())
		require.NoError(t, err)
		for _, s := range specs {
			out = append(out, name+"."+s.Name+";"...)
		}
	}
	return out
}

// earlierSession is a document of the earlier service, which had one for each
// session.
func earlierSession(id string) bson.D {
	return bson.D{
		{Key: "_id", Value: id},
		{Key: "userId", Value: "u"},
		{Key: "name", Value: "sealed"},
		{Key: "ts", Value: time.Now()},
		{Key: "msgs", Value: nil},
		{Key: "messages", Value: bson.A{bson.D{{Key: "content", Value: "sealed"}, {Key: "sender", Value: "user"}}}},
	}
}

func TestSurvey_OtherProgramsDataIsNamedAndLeftAlone(t *testing.T) {
	for name, docs := range map[string]struct {
		in   string
		docs []any
		says string
	}{
		"the earlier service": {"sessions", []any{earlierSession("a"), earlierSession("b")}, "earlier chatbox service"},
		"one session of it":   {"sessions", []any{earlierSession("a")}, "earlier chatbox service"},
		"another program":     {"messages", []any{bson.D{{Key: "text", Value: "x"}}}, `"messages"`},
		"its shares":          {"shares", []any{bson.D{{Key: "url", Value: "x"}}}, `"shares"`},
	} {
		t.Run(name, func(t *testing.T) {
			db := mongoDatabase(t)
			_, err := db.Collection(docs.in).InsertMany(t.Context(), docs.docs)
			require.NoError(t, err)
			before := everything(t, db)
			_, _, err = app.OpenMongo(t.Context(), mongoConfig(t, db), ringOf(t), slog.New(slog.DiscardHandler))
			var unfit *chatbox.UnfitError
			require.ErrorAs(t, err, &unfit)
			for _, says := range []string{docs.says, db.Name(), "MONGO_DATABASE"} {
				assert.Contains(t, unfit.Reason, says)
			}
			assert.Equal(t, before, everything(t, db))
		})
	}
}

func TestSurvey_AStrayDocumentBesideOursIsAFinding(t *testing.T) {
	db := mongoDatabase(t)
	first := unprepared(t, mongoConfig(t, db), conformance.StoreKey())
	findings, err := first.Survey(t.Context())
	require.NoError(t, err)
	assert.Empty(t, findings)
	_, err = db.Collection("sessions").InsertOne(t.Context(), earlierSession("a"))
	require.NoError(t, err)
	findings, err = unprepared(t, mongoConfig(t, db), conformance.StoreKey()).Survey(t.Context())
	require.NoError(t, err, "a cluster that works goes on")
	require.Len(t, findings, 1)
	assert.Contains(t, findings[0], "earlier chatbox service")
}

func ringOf(tb testing.TB) *persistence.Keyring {
	tb.Helper()
	ring, err := persistence.NewKeyring([]persistence.Key{conformance.StoreKey()})
	require.NoError(tb, err)
	return ring
}

// said is a log that tests read.
type said struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

func TestIndexes_WhatStandsInTheWayMayBeMendedLater(t *testing.T) {
	db := mongoDatabase(t)
	sessions := db.Collection("sessions")
	_, err := sessions.Indexes().CreateOne(t.Context(), mongo.IndexModel{
		Keys: bson.D{{Key: "owner", Value: 1}}, Options: options.Index().SetName("tenant_session"),
	})
	require.NoError(t, err)
	var log said
	stores, closer, err := app.OpenMongo(t.Context(), mongoConfig(t, db), ringOf(t), slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	defer func() { require.NoError(t, closer(context.WithoutCancel(t.Context()))) }()
	require.Eventually(t, func() bool { return bytes.Contains([]byte(log.String()), []byte("index")) }, time.Minute, 10*time.Millisecond)
	require.Error(t, stores.Ping(t.Context()), "not ready")
	_, err = sessions.Indexes().DropOne(t.Context(), "tenant_session")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return stores.Ping(t.Context()) == nil }, time.Minute, 10*time.Millisecond)
	assert.Less(t, bytes.Count([]byte(log.String()), []byte("\n")), 6, "it is said at once, and then rarely")
}
