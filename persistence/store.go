package persistence

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"chatbox/internal/outage"
	"chatbox/persistence/internal/chain"
	"chatbox/persistence/internal/group"
	"chatbox/persistence/internal/record"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/mongo/readconcern"
	"go.mongodb.org/mongo-driver/mongo/readpref"
	"go.mongodb.org/mongo-driver/mongo/writeconcern"
)

// Bounds of a group of writes.
const (
	groupFlights = 4
	groupItems   = 256
	groupBytes   = 4 << 20
)

// Store is a connection to the history. Everything is written with concern
// majority and journal and read from the primary with concern majority,
// whatever the URI says: what it acknowledges or decides on cannot be rolled
// back. Safe for concurrent use.
type Store struct {
	cfg         Config
	keys        *Keyring
	client      *mongo.Client
	messages    *mongo.Collection
	sessions    *mongo.Collection
	shares      *mongo.Collection
	audit       *mongo.Collection
	people      *mongo.Collection
	heads       *mongo.Collection
	crowds      *mongo.Collection
	erasures    *mongo.Collection
	cards       *mongo.Collection
	ends        ends
	book        *mongo.Collection
	trusted     atomic.Bool  // this pod's keys open what is there, which is ours
	lostPlaces  atomic.Int64 // of the audit log, to other pods
	indexed     atomic.Bool  // the unique indexes are known to exist
	overTLS     bool         // as the URI says
	served      atomic.Bool  // a ping was answered once
	withdrawals *mongo.Collection
	blocks      *mongo.Collection

	appends *group.Committer[bson.Raw]
	touches *group.Committer[mongo.WriteModel]
	audits  *group.Committer[chain.Draft]
}

// Open prepares the store without waiting for the server, which may be away;
// nothing can be written until EnsureIndexes has succeeded. Only with a
// mongodb+srv URI does it ask the DNS, once. It starts the goroutines of the
// driver and of three committers; Close stops them.
func Open(ctx context.Context, cfg Config, keys *Keyring) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.whole()
	journal := true
	opts := options.Client().ApplyURI(cfg.URI).
		SetAppName("chatbox").
		SetReadConcern(readconcern.Majority()).
		SetReadPreference(readpref.Primary()).
		SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &journal}).
		SetServerSelectionTimeout(cfg.SelectTimeout).
		SetConnectTimeout(cfg.SelectTimeout)
	if cfg.Monitor != nil {
		opts.SetMonitor(cfg.Monitor)
	}
	overTLS := opts.TLSConfig != nil
	readFilesAnew(opts, cfg.URI, cfg.SelectTimeout)
	client, err := mongo.Connect(ctx, opts)
	if err != nil {
		// The driver's words may quote the URI, and so its password.
		return nil, errors.New("MONGO_URI: the driver refuses the connection string")
	}
	db := client.Database(cfg.Database)
	s := &Store{
		cfg: cfg, keys: keys, client: client, overTLS: overTLS,
		messages: db.Collection("messages"), sessions: db.Collection("sessions"), shares: db.Collection("shares"),
		withdrawals: db.Collection("withdrawals"),
		blocks:      db.Collection("blocks"),
	}
	s.audit, s.people, s.heads = db.Collection("audit"), db.Collection("people"), db.Collection("audit_heads")
	s.crowds, s.erasures = db.Collection("crowds"), db.Collection("erasures")
	s.cards, s.book = db.Collection("cards"), db.Collection("keys")
	bounds := group.Config{Flights: groupFlights, MaxItems: groupItems, MaxBytes: groupBytes, Timeout: cfg.Timeout}
	s.appends = group.New(ctx, bounds, s.insert)
	s.touches = group.New(ctx, bounds, s.update)
	bounds.Flights = 1 // a pod's entries follow one another
	s.audits = group.New(ctx, bounds, s.link)
	return s, nil
}

// Messages is the log of every session.
func (s *Store) Messages() *Messages { return &Messages{s} }

// Sessions is what is known of sessions beside their events.
func (s *Store) Sessions() *Sessions { return &Sessions{s} }

// Turns is which messages still want an answer.
func (s *Store) Turns() *Turns { return &Turns{s} }

// Shares is the links by which anyone may read a session as it was.
func (s *Store) Shares() *Shares { return &Shares{s} }

// Search finds messages and sessions by words.
func (s *Store) Search() *Search { return &Search{s} }

// Withdrawals is whose credentials were withdrawn.
func (s *Store) Withdrawals() *Withdrawals { return &Withdrawals{s} }

// Ping reports whether the primary answers and the store may be written. Kind
// tells why not.
func (s *Store) Ping(ctx context.Context) error {
	err := s.trip(ctx, "ping", func(ctx context.Context) error {
		return s.client.Ping(ctx, readpref.Primary())
	})
	if err == nil {
		s.served.Store(true)
		return outage.As(outage.Preparing, errors.Join(s.may("ping"), s.ready()))
	}
	switch {
	case Kind(err) != outage.Closed || s.served.Load():
	case s.overTLS: // one of both sides speaks TLS and the other does not
		err = outage.As(outage.Handshake, err)
	default:
		err = outage.As(outage.NeedsTLS, err)
	}
	return errors.Join(err, s.ready())
}

// Close lets the writes that wait be written, and disconnects. When ctx ends
// first, what is under way is cancelled. Whatever comes later fails with
// chatbox.StoreFailed.
func (s *Store) Close(ctx context.Context) error {
	s.appends.Close(ctx)
	s.touches.Close(ctx)
	s.audits.Close(ctx)
	if err := s.client.Disconnect(ctx); err != nil && !errors.Is(err, mongo.ErrClientDisconnected) {
		return fmt.Errorf("persistence: disconnect: %w", err)
	}
	return nil
}

// may refuses whatever comes before a survey, or EnsureIndexes, has found that
// this pod may work with what is there.
func (s *Store) may(act string) error {
	if s.trusted.Load() {
		return nil
	}
	return record.Failed(act, errors.New("it is not known yet whether this pod's keys open the history"))
}

// ready refuses writes whose promise rests on an index that may not be there.
func (s *Store) ready() error {
	if s.indexed.Load() {
		return nil
	}
	return record.Failed("write", errors.New("the indexes are not ensured yet"))
}

// do runs one round trip within the timeout; what fails is
// chatbox.StoreFailed. mongo.ErrNoDocuments is an answer and comes back as it
// is.
func (s *Store) do(ctx context.Context, act string, f func(ctx context.Context) error) error {
	if err := s.may(act); err != nil {
		return err
	}
	return s.trip(ctx, act, f)
}

// trip is do before the store may be used.
func (s *Store) trip(ctx context.Context, act string, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	start := time.Now()
	err := again(ctx, f)
	if errors.Is(err, mongo.ErrNoDocuments) {
		s.observe(act, start, nil)
		return mongo.ErrNoDocuments
	}
	s.observe(act, start, err)
	switch {
	case err == nil:
		return nil
	case yielded(err):
		return record.Busy(act, err)
	default:
		return record.Failed(act, err)
	}
}

// all is do for a read of everything that find finds; into is a slice's address.
func (s *Store) all(ctx context.Context, act string, into any, find func(ctx context.Context) (*mongo.Cursor, error)) error {
	if err := s.may(act); err != nil {
		return err
	}
	return s.allBefore(ctx, act, into, find)
}

// allBefore is all before the store may be used.
func (s *Store) allBefore(ctx context.Context, act string, into any, find func(ctx context.Context) (*mongo.Cursor, error)) error {
	return s.trip(ctx, act, func(ctx context.Context) error {
		found, err := find(ctx)
		if err != nil {
			return err
		}
		return found.All(ctx, into)
	})
}

func (s *Store) observe(act string, start time.Time, err error) {
	if s.cfg.Hooks.Done != nil {
		s.cfg.Hooks.Done(act, time.Since(start), err)
	}
}

func (s *Store) grouped(act string, n int) {
	if s.cfg.Hooks.Grouped != nil {
		s.cfg.Hooks.Grouped(act, n)
	}
}
