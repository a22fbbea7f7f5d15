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

// Audit returns the audit log.
func (s *Store) Audit() *Audit { return &Audit{s} }

// Limits of the audit log.
const (
	auditTenants = 4096 // tenants whose last entry is cached
	auditWindow  = 2000 // entries that one step of a filtered read examines
	auditSteps   = 25   // steps per page
	auditVerify  = 500  // entries that one step of a verification reads
	auditBytes   = 1 << 10
)

// auditDoc is one entry in the collection audit. Its _id is derived from its
// place; see placeID for the reason.
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

// ends caches the last entry of each tenant's chain, so that an append needs no
// search. A cached value may be out of date. That is safe: entries never change,
// so the search continues from the cached entry.
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
		e.of = map[string]chain.Entry{} // start again; a search costs a few reads
	}
	e.of[tenant] = last
}

// Pauses of a writer that lost its place to another pod: after the first loss,
// and the longest.
const (
	auditPause   = 2 * time.Millisecond
	auditPauses  = 7 // doublings: 256 ms
	auditYielded = 6 // the first pause, in doublings, of a writer that the server aborted because of a conflict
)

// errBusy means that other writers took the chain's next place on every attempt.
var errBusy = errors.New("persistence: the audit log is busy with other writers")

// Record appends an entry and returns once a majority has it. It costs one read
// of the people and one insert, which concurrent entries of this pod share. If
// other pods write to the same chain, it retries until ctx ends and then returns
// chatbox.Unavailable. After any error the entry may be missing, so the audited
// act must not be carried out.
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
			break // the group's time limit may be shorter than the caller's
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

// link writes one group: it appends every tenant's drafts to the tenant's chain.
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

// linkTenant appends the drafts in order and returns how many were written. If
// another pod takes a place first, the unique key reports it; the remaining
// drafts are then appended after that pod's entries, with a growing delay, until
// ctx ends. Inserts are ordered, so a chain has no gaps.
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

// unlessBusy returns the error of an append that lost places until its time
// ended. The store was reachable all that time, so the error must not say that it
// was not.
func (s *Store) unlessBusy(ctx context.Context, losses int, err error) error {
	if losses > 0 && ctx.Err() != nil {
		return errBusy
	}
	return err
}

// writtenBefore returns how many documents of an ordered insert were applied
// before one of them was a duplicate or the server aborted the insert because of
// a conflict. Any other failure is returned as an error.
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

// chainEnd returns the last entry of the tenant's chain, or the zero Entry if the
// chain is empty. If the last entry was deleted, it fails and the log accepts no
// more entries: appending would hide the deletion.
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

// lastPlace returns the last place of the tenant's chain, searching from the
// given place on.
func (s *Store) lastPlace(ctx context.Context, tenant string, from int64) (int64, error) {
	if from == 0 {
		var err error
		if from, err = s.notedEnd(ctx, tenant); err != nil {
			return 0, err
		}
	}
	return chain.Gallop(from, func(ns []int64) (int64, error) { return s.lastOf(ctx, tenant, ns, 0) })
}

// headDoc records, in the collection audit_heads, a length that the tenant's
// chain has reached. A search starts there. It also proves that a chain was
// longer than it is now.
type headDoc struct {
	Tenant string `bson:"_id"`
	N      int64  `bson:"n"`
}

// noteEnd records the end of a chain. If it fails, the next search takes longer;
// nothing else is affected.
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

// lastOf returns the greatest of the places that has an entry, or 0 if none has.
// If before is not 0, only entries older than before count.
func (s *Store) lastOf(ctx context.Context, tenant string, ns []int64, before int64) (int64, error) {
	filter := bson.D{{Key: "tenant", Value: tenant}, {Key: "n", Value: bson.D{{Key: "$in", Value: ns}}}}
	if before != 0 {
		filter = append(filter, bson.E{Key: "time", Value: bson.D{{Key: "$lt", Value: before}}})
	}
	var docs []auditDoc
	err := s.find(ctx, "read the audit log", &docs, s.audit, filter, options.Find().SetProjection(bson.D{{Key: "n", Value: 1}}))
	best := int64(0)
	for _, d := range docs {
		best = max(best, d.N)
	}
	return best, err
}

// entries returns the entries of a closed range, oldest first.
func (s *Store) entries(ctx context.Context, tenant string, from, to int64, more bson.D) ([]chain.Entry, error) {
	filter := append(bson.D{
		{Key: "tenant", Value: tenant},
		{Key: "n", Value: bson.D{{Key: "$gte", Value: from}, {Key: "$lte", Value: to}}},
	}, more...)
	var docs []auditDoc
	err := s.find(ctx, "read the audit log", &docs, s.audit, filter, options.Find().SetSort(bson.D{{Key: "n", Value: 1}}))
	if err != nil {
		return nil, err
	}
	out := make([]chain.Entry, len(docs))
	for i, d := range docs {
		out[i] = d.entry()
	}
	return out, nil
}
