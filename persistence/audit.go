package persistence

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"chatbox"
	"chatbox/persistence/internal/chain"
	"chatbox/persistence/internal/record"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"chatbox/internal/sleep"
)

// Audit is the audit log: one chain of hashes per tenant, append-only.
type Audit struct{ s *Store }

// Audit is the audit log.
func (s *Store) Audit() *Audit { return &Audit{s} }

// Bounds of the audit log.
const (
	auditTenants = 4096 // tenants whose chain's end is remembered
	auditWindow  = 2000 // entries that one step of a filtered read looks at
	auditSteps   = 25   // steps of one page
	auditVerify  = 500  // entries that one step of a verification reads
	auditBytes   = 1 << 10
)

// auditDoc is one entry in the collection audit. Its _id is of the place, for
// the reason of placeID.
type auditDoc struct {
	ID      string `bson:"_id"`
	Tenant  string `bson:"tenant"`
	N       int64  `bson:"n"`
	Time    int64  `bson:"time"` // milliseconds
	Action  string `bson:"action"`
	Actor   string `bson:"actor"`
	Session string `bson:"session,omitempty"`
	User    string `bson:"user,omitempty"`
	Hash    []byte `bson:"hash"`
	Seal    []byte `bson:"seal"`
}

func auditDocOf(e chain.Entry) auditDoc {
	return auditDoc{
		ID: placeID(chatbox.SessionKey{Tenant: e.Tenant}, e.N), Tenant: e.Tenant, N: e.N, Time: e.Millis,
		Action: e.Action, Actor: e.Actor, Session: e.Session, User: e.User, Hash: e.Hash, Seal: e.Seal,
	}
}

func (d auditDoc) entry() chain.Entry {
	return chain.Entry{
		Tenant: d.Tenant, N: d.N, Millis: d.Time, Action: d.Action, Actor: d.Actor,
		Session: d.Session, User: d.User, Hash: d.Hash, Seal: d.Seal,
	}
}

// ends remembers where tenants' chains end, so that an append needs no search.
// What it says may lag behind: entries never change, so the search only has to
// go on from there.
type ends struct {
	mu sync.Mutex // guards following
	of map[string]chain.Entry
}

func (e *ends) get(tenant string) chain.Entry {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.of[tenant]
}

func (e *ends) set(tenant string, last chain.Entry) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.of == nil || len(e.of) >= auditTenants && e.of[tenant].N == 0 {
		e.of = map[string]chain.Entry{} // begun anew; a search costs a few reads
	}
	e.of[tenant] = last
}

// Pauses of a writer whose place another pod took: after one loss, and at most.
const (
	auditPause   = 2 * time.Millisecond
	auditPauses  = 7 // doublings: 256 ms
	auditYielded = 6 // the first pause, in doublings, of a writer that the server undid for another's sake
)

// errBusy says that others have written a chain's next place all the time.
var errBusy = errors.New("persistence: others write the audit log all the time")

// Record appends an entry and returns when a majority has it. It costs a read
// of the people and one insert that it may share; entries that meet on this pod
// are written together. Where other pods write the same chain it waits for its
// turn as long as ctx lasts, and is chatbox.Unavailable then. Any error means
// that the entry may not be there: what was to be audited must not be done.
func (a *Audit) Record(ctx context.Context, actor chatbox.Actor, action chatbox.AuditAction, about chatbox.AuditSubject) error {
	const act = "audit"
	if err := a.s.ready(); err != nil {
		return err
	}
	users := []string{actor.UserID}
	if about.UserID != "" && about.UserID != actor.UserID {
		users = append(users, about.UserID)
	}
	names, err := a.pseudonyms(ctx, actor.Tenant, users)
	if err != nil {
		return err
	}
	d := chain.Draft{
		Tenant: actor.Tenant, At: time.Now(), Action: action, Actor: names[actor.UserID],
		Session: about.SessionID, User: names[about.UserID],
	}
	lost := a.s.lostPlaces.Load()
	for {
		err = a.s.audits.Do(ctx, "", auditBytes, d)
		if !errors.Is(err, errBusy) || ctx.Err() != nil {
			break // a group's time is shorter than a caller's may be
		}
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errBusy), ctx.Err() != nil && a.s.lostPlaces.Load() != lost:
		return record.Busy(act, err)
	default:
		return record.Failed(act, err)
	}
}

// link writes one group: every tenant's drafts become the next links of its
// chain.
func (s *Store) link(ctx context.Context, drafts []chain.Draft) []error {
	errs := make([]error, len(drafts))
	of := map[string][]int{}
	for i, d := range drafts {
		of[d.Tenant] = append(of[d.Tenant], i)
	}
	for tenant, places := range of {
		start := time.Now()
		mine := make([]chain.Draft, len(places))
		for i, p := range places {
			mine[i] = drafts[p]
		}
		done, err := s.linkTenant(ctx, tenant, mine)
		s.grouped("audit", len(mine))
		s.observe("audit", start, err)
		for i, p := range places {
			if i >= done {
				errs[p] = err
			}
		}
	}
	return errs
}

// linkTenant appends the drafts in order and returns how many were written.
// Another pod that takes a place is met by the unique key: the rest goes after
// what it wrote, a little later each time, until ctx ends. Inserts are ordered,
// so a chain never has a hole.
func (s *Store) linkTenant(ctx context.Context, tenant string, drafts []chain.Draft) (done int, err error) {
	for losses := 0; ; losses++ {
		prev, err := s.chainEnd(ctx, tenant)
		if err != nil {
			return done, s.unlessBusy(ctx, losses, err)
		}
		docs := make([]any, 0, len(drafts)-done)
		links := make([]chain.Entry, 0, len(drafts)-done)
		for _, d := range drafts[done:] {
			if prev, err = chain.After(s.keys, prev, d); err != nil {
				return done, err
			}
			docs, links = append(docs, auditDocOf(prev)), append(links, prev)
		}
		_, err = s.audit.InsertMany(ctx, docs, options.InsertMany().SetOrdered(true))
		wrote, undone := len(docs), false
		if err != nil {
			undone = yielded(err)
			if wrote, err = writtenBefore(err); err != nil {
				return done, s.unlessBusy(ctx, losses, err)
			}
		}
		if done += wrote; wrote > 0 {
			s.noteEnd(ctx, links[wrote-1])
		}
		if done == len(drafts) {
			return done, nil
		}
		s.lostPlaces.Add(1)
		if undone {
			losses = max(losses, auditYielded)
		}
		if !sleep.About(ctx, auditPause<<min(losses, auditPauses)) {
			return done, errBusy
		}
	}
}

// unlessBusy is what an append that lost places is told when its time ends: the
// store was there all the time.
func (s *Store) unlessBusy(ctx context.Context, losses int, err error) error {
	if losses > 0 && ctx.Err() != nil {
		return errBusy
	}
	return err
}

// writtenBefore is how many of an ordered insert were applied where one of them
// met a duplicate, or was undone for another's sake; any other failure is
// returned.
func writtenBefore(err error) (int, error) {
	bulk, ok := errors.AsType[mongo.BulkWriteException](err)
	switch {
	case !ok && yielded(err):
		return 0, nil
	case !ok, bulk.WriteConcernError != nil, len(bulk.WriteErrors) != 1:
		return 0, err
	case mongo.IsDuplicateKeyError(bulk.WriteErrors[0].WriteError), yielded(err):
		return bulk.WriteErrors[0].Index, nil
	default:
		return 0, err
	}
}

// chainEnd is the last entry of the tenant's chain; the zero Entry where there
// is none. Where the last one was removed there is nothing to go on from, and
// the log takes no more: it must not look whole again.
func (s *Store) chainEnd(ctx context.Context, tenant string) (chain.Entry, error) {
	known := s.ends.get(tenant)
	n, err := s.lastPlace(ctx, tenant, known.N)
	if err != nil || n == known.N {
		return known, err
	}
	found, err := s.entries(ctx, tenant, n, n, nil)
	if err != nil {
		return known, err
	}
	if len(found) != 1 {
		return known, fmt.Errorf("persistence: entry %d of the audit log cannot be read", n)
	}
	s.ends.set(tenant, found[0])
	return found[0], nil
}

// lastPlace is where the tenant's chain ends, at from or later.
func (s *Store) lastPlace(ctx context.Context, tenant string, from int64) (int64, error) {
	if from == 0 {
		var err error
		if from, err = s.notedEnd(ctx, tenant); err != nil {
			return 0, err
		}
	}
	return chain.Gallop(from, func(ns []int64) (int64, error) { return s.lastOf(ctx, tenant, ns, 0) })
}

// headDoc is, in the collection audit_heads, how long a tenant's chain was at
// least. It shows where to begin to search, and that a chain was longer.
type headDoc struct {
	Tenant string `bson:"_id"`
	N      int64  `bson:"n"`
}

// noteEnd remembers the end of a chain. What fails here only makes the next
// search longer.
func (s *Store) noteEnd(ctx context.Context, e chain.Entry) {
	s.ends.set(e.Tenant, e)
	_ = s.do(ctx, "note the audit log's end", func(ctx context.Context) error {
		done, err := s.heads.UpdateByID(ctx, e.Tenant, bson.D{{Key: "$max", Value: bson.D{{Key: "n", Value: e.N}}}})
		if err == nil && done.MatchedCount == 0 {
			_, err = s.heads.InsertOne(ctx, headDoc{Tenant: e.Tenant, N: e.N})
		}
		return err
	})
}

func (s *Store) notedEnd(ctx context.Context, tenant string) (int64, error) {
	var d headDoc
	err := s.do(ctx, "read the audit log", func(ctx context.Context) error {
		return s.heads.FindOne(ctx, bson.D{{Key: "_id", Value: tenant}}).Decode(&d)
	})
	if errors.Is(err, mongo.ErrNoDocuments) {
		return 0, nil
	}
	return d.N, err
}

// lastOf is the greatest of the places that has an entry, of those older than
// before where that is not 0; 0 for none.
func (s *Store) lastOf(ctx context.Context, tenant string, ns []int64, before int64) (int64, error) {
	filter := bson.D{{Key: "tenant", Value: tenant}, {Key: "n", Value: bson.D{{Key: "$in", Value: ns}}}}
	if before != 0 {
		filter = append(filter, bson.E{Key: "time", Value: bson.D{{Key: "$lt", Value: before}}})
	}
	var docs []auditDoc
	err := s.all(ctx, "read the audit log", &docs, func(ctx context.Context) (*mongo.Cursor, error) {
		return s.audit.Find(ctx, filter, options.Find().SetProjection(bson.D{{Key: "n", Value: 1}}))
	})
	best := int64(0)
	for _, d := range docs {
		best = max(best, d.N)
	}
	return best, err
}

// entries reads a closed range, oldest first.
func (s *Store) entries(ctx context.Context, tenant string, from, to int64, more bson.D) ([]chain.Entry, error) {
	filter := append(bson.D{
		{Key: "tenant", Value: tenant},
		{Key: "n", Value: bson.D{{Key: "$gte", Value: from}, {Key: "$lte", Value: to}}},
	}, more...)
	var docs []auditDoc
	err := s.all(ctx, "read the audit log", &docs, func(ctx context.Context) (*mongo.Cursor, error) {
		return s.audit.Find(ctx, filter, options.Find().SetSort(bson.D{{Key: "n", Value: 1}}))
	})
	if err != nil {
		return nil, err
	}
	out := make([]chain.Entry, len(docs))
	for i, d := range docs {
		out[i] = d.entry()
	}
	return out, nil
}
