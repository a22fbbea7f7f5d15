package persistence

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"chatbox"
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

// Limits of a group of writes.
const (
	groupFlights = 4
	groupItems   = 256
	groupBytes   = 4 << 20
	// groupHold is longer than most writes take, so that a server nearby has one
	// group at a time, which costs it least. It is short for a caller who waits
	// because another group hangs.
	groupHold = 20 * time.Millisecond
)

// Store is a connection to the history. It writes with concern majority and
// journal and reads from the primary with concern majority. These override the
// URI, so data that it acknowledges or decides on cannot be rolled back. It is
// safe for concurrent use.
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
	concurrency *mongo.Collection
	erasures    *mongo.Collection
	cards       *mongo.Collection
	files       *mongo.Collection
	ends        ends
	book        *mongo.Collection
	trusted     atomic.Bool  // this pod's keys open the stored data
	lostPlaces  atomic.Int64 // places in the audit log lost to other pods
	indexed     atomic.Bool  // the unique indexes exist
	overTLS     bool         // according to the URI
	served      atomic.Bool  // a ping has succeeded
	withdrawals *mongo.Collection
	blocks      *mongo.Collection
	pods        *mongo.Collection

	appends *group.Committer[bson.Raw]
	touches *group.Committer[mongo.WriteModel]
	audits  *group.Committer[chain.Draft]
}

// Open prepares the store without waiting for the server, which may be
// unavailable. The store accepts writes only after EnsureIndexes has succeeded.
// Open queries the DNS once if the URI is mongodb+srv, and does no other I/O. It
// starts the goroutines of the driver and of three committers; Close stops them.
// It returns a *chatbox.UnfitError if the URI is at fault, so that another try
// does not help.
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
		return nil, refusal(err)
	}
	db := client.Database(cfg.Database)
	s := &Store{
		cfg: cfg, keys: keys, client: client, overTLS: overTLS,
		messages: db.Collection("messages"), sessions: db.Collection("sessions"), shares: db.Collection("shares"),
		withdrawals: db.Collection("withdrawals"),
		blocks:      db.Collection("blocks"),
	}
	s.audit, s.people, s.heads = db.Collection("audit"), db.Collection("people"), db.Collection("audit_heads")
	s.concurrency, s.erasures = db.Collection("crowds"), db.Collection("erasures")
	s.files = db.Collection("files")
	s.cards, s.book = db.Collection("cards"), db.Collection("keys")
	s.pods = db.Collection("pods")
	bounds := group.Config{
		Flights: groupFlights, Hold: groupHold, MaxItems: groupItems, MaxBytes: groupBytes, Timeout: cfg.Timeout,
	}
	s.appends = group.New(ctx, bounds, s.insert)
	s.touches = group.New(ctx, bounds, s.update)
	bounds.Flights, bounds.Hold = 1, 0 // one at a time, because a pod's entries are chained
	s.audits = group.New(ctx, bounds, s.link)
	return s, nil
}

// refusal returns why the driver does not take the URI. The driver's own error is
// not passed on: it may quote the URI, which contains the password.
func refusal(err error) error {
	dns, ok := errors.AsType[*net.DNSError](err)
	switch {
	case !ok:
		return &chatbox.UnfitError{Reason: "MONGO_URI: the driver refuses the connection string"}
	case dns.IsNotFound:
		return &chatbox.UnfitError{Reason: "MONGO_URI: its host has no SRV record (_mongodb._tcp) in the DNS: check the name, or use mongodb:// with the names of the servers"}
	default:
		return outage.As(outage.KindOf(dns), errors.New("MONGO_URI: the DNS does not answer the question for the SRV record of its host"))
	}
}

// Messages returns the log of every session.
func (s *Store) Messages() *Messages { return &Messages{s} }

// Sessions returns the store of sessions.
func (s *Store) Sessions() *Sessions { return &Sessions{s} }

// Turns returns the store of messages that still need an answer.
func (s *Store) Turns() *Turns { return &Turns{s} }

// Shares returns the store of links by which anyone may read a session.
func (s *Store) Shares() *Shares { return &Shares{s} }

// Search returns the search for messages and sessions by words.
func (s *Store) Search() *Search { return &Search{s} }

// Withdrawals returns the store of withdrawn credentials.
func (s *Store) Withdrawals() *Withdrawals { return &Withdrawals{s} }

// Ping checks that the primary answers and that the store may be written. Kind
// classifies its error.
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
	case s.overTLS: // one side speaks TLS and the other does not
		err = outage.As(outage.Handshake, err)
	default:
		err = outage.As(outage.NeedsTLS, err)
	}
	return errors.Join(err, s.ready())
}

// Close finishes pending writes and disconnects. If ctx ends first, running
// operations are cancelled. Later calls fail with chatbox.StoreFailed.
func (s *Store) Close(ctx context.Context) error {
	s.appends.Close(ctx)
	s.touches.Close(ctx)
	s.audits.Close(ctx)
	if err := s.client.Disconnect(ctx); err != nil && !errors.Is(err, mongo.ErrClientDisconnected) {
		return fmt.Errorf("persistence: disconnect: %w", err)
	}
	return nil
}

// may returns an error until Survey or EnsureIndexes has found that this pod can
// work with the stored data.
func (s *Store) may(act string) error {
	if s.trusted.Load() {
		return nil
	}
	return record.Failed(act, errors.New("this pod's keys have not been checked against the history yet"))
}

// ready returns an error until the indexes exist that the write's guarantee
// needs.
func (s *Store) ready() error {
	if s.indexed.Load() {
		return nil
	}
	return record.Failed("write", errors.New("the indexes are not created yet"))
}

// do runs one round trip within the timeout. Failures become chatbox.StoreFailed.
// mongo.ErrNoDocuments is a valid answer and is returned unchanged.
func (s *Store) do(ctx context.Context, act string, f func(ctx context.Context) error) error {
	if err := s.may(act); err != nil {
		return err
	}
	return s.trip(ctx, act, f)
}

// trip is do without the check that the store may be used.
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

// replyDocuments is the most documents in one reply of the server. Most reads
// ask for fewer, so they are one round trip. The servers' default is 101. For
// more, the driver has to ask again, and FerretDB keeps the remaining result for
// that: 250 messages in two replies took twenty times as long as in one.
const replyDocuments = 1000

// find decodes all documents that match the filter into the slice at into.
func (s *Store) find(ctx context.Context, act string, into any, in *mongo.Collection, filter bson.D, opts *options.FindOptions) error {
	if err := s.may(act); err != nil {
		return err
	}
	return s.findBefore(ctx, act, into, in, filter, opts)
}

// findBefore is find without the check that the store may be used.
func (s *Store) findBefore(ctx context.Context, act string, into any, in *mongo.Collection, filter bson.D, opts *options.FindOptions) error {
	return s.trip(ctx, act, func(ctx context.Context) error {
		found, err := in.Find(ctx, filter, opts.SetBatchSize(replyDocuments)) //nolint:forbidigo // this is the one place
		if err != nil {
			return err
		}
		return found.All(ctx, into)
	})
}

// aggregate decodes all results of the pipeline into the slice at into.
func (s *Store) aggregate(ctx context.Context, act string, into any, in *mongo.Collection, pipeline mongo.Pipeline) error {
	return s.do(ctx, act, func(ctx context.Context) error {
		found, err := in.Aggregate(ctx, pipeline, options.Aggregate().SetBatchSize(replyDocuments))
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
