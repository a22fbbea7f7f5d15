package persistence

import (
	"context"
	"time"

	"chatbox"
	"chatbox/persistence/internal/chain"
	"chatbox/persistence/internal/record"

	"go.mongodb.org/mongo-driver/bson"
)

// Entries returns one page of the log, newest first. It examines a bounded number
// of entries, so a page of a rare filter may be short and still have a cursor.
func (a *Audit) Entries(ctx context.Context, q chatbox.AuditQuery) (chatbox.AuditPage, error) {
	lo, hi, err := a.bounds(ctx, q)
	if err != nil {
		return chatbox.AuditPage{}, err
	}
	more := bson.D{}
	for _, who := range [][2]string{{"actor", q.Actor}, {"user", q.UserID}} {
		if who[1] == "" {
			continue
		}
		pseudonym, err := a.pseudonymOf(ctx, chatbox.UserKey{Tenant: q.Tenant, ID: who[1]})
		if err != nil {
			return chatbox.AuditPage{}, err
		}
		more = append(more, bson.E{Key: who[0], Value: pseudonym})
	}
	if q.Action != "" {
		more = append(more, bson.E{Key: "action", Value: string(q.Action)})
	}
	if q.SessionID != "" {
		more = append(more, bson.E{Key: "session", Value: q.SessionID})
	}
	width := int64(auditWindow)
	if len(more) == 0 {
		width = int64(q.Limit) + 1
	}
	var found []chain.Entry // newest first
	for range auditSteps {
		if hi < lo || len(found) > q.Limit {
			break
		}
		from := max(lo, hi-width+1)
		some, err := a.s.entries(ctx, q.Tenant, from, hi, more)
		if err != nil {
			return chatbox.AuditPage{}, err
		}
		for i := range some {
			found = append(found, some[len(some)-1-i])
		}
		hi = from - 1
	}
	return a.page(ctx, q, found, hi, hi >= lo)
}

// page renders the entries found; unread reports that there are more entries
// below hi+1.
func (a *Audit) page(ctx context.Context, q chatbox.AuditQuery, found []chain.Entry, hi int64, unread bool) (chatbox.AuditPage, error) {
	var page chatbox.AuditPage
	switch {
	case len(found) > q.Limit:
		found = found[:q.Limit]
		page.Next = chain.Cursor(found[q.Limit-1].N)
	case unread:
		page.Next = chain.Cursor(hi + 1)
	}
	known, err := a.known(ctx, q.Tenant, found)
	if err != nil {
		return chatbox.AuditPage{}, err
	}
	for _, e := range found {
		page.Entries = append(page.Entries, chain.Show(e, known))
	}
	return page, nil
}

// bounds converts times and cursor into a closed range of places.
func (a *Audit) bounds(ctx context.Context, q chatbox.AuditQuery) (lo, hi int64, err error) {
	end, err := a.s.lastPlace(ctx, q.Tenant, a.s.ends.get(q.Tenant).N)
	if err != nil {
		return 0, 0, err
	}
	return chain.Window(q, end, func(lo, hi int64, t time.Time) (int64, error) {
		return chain.Bisect(lo, hi, func(ns []int64) (int64, error) { return a.s.lastOf(ctx, q.Tenant, ns, record.Millis(t)) })
	})
}

// Verify checks the tenant's whole chain.
func (a *Audit) Verify(ctx context.Context, tenant string) (chatbox.AuditVerdict, error) {
	v := chain.NewVerifier(a.s.keys)
	last, err := a.s.lastPlace(ctx, tenant, a.s.ends.get(tenant).N)
	if err != nil {
		return chatbox.AuditVerdict{}, err
	}
	for from := int64(1); from <= last; from += auditVerify {
		to := min(last, from+auditVerify-1)
		some, err := a.s.entries(ctx, tenant, from, to, nil)
		if err != nil {
			return chatbox.AuditVerdict{}, err
		}
		if !v.Take(some) || !v.Reached(to) {
			break
		}
	}
	return v.Verdict(), nil
}
