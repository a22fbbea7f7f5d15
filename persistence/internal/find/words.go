package find

import (
	"context"
	"slices"
	"time"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/persistence/internal/record"
)

// search reads messages until the page is full, there are no more, or the page's
// limits are reached.
func search(ctx context.Context, src Source, p parsed) (helpdesk.SearchPage, error) {
	var page helpdesk.SearchPage
	tokens, err := src.TokensOfAll(p.Tenant, record.PurposeMessage, p.words.Words())
	if err != nil {
		return page, err
	}
	c := Candidates{Tenant: p.Tenant, Tokens: tokens, Owner: p.UserID, From: p.From, To: p.To, After: p.after}
	room := &room{src: src, p: p, known: map[string]*chatbox.Session{}}
	if p.after != nil {
		room.passed = p.after.Passed
	}
	if c.Sessions, c.Few, err = room.narrow(ctx); err != nil || c.Sessions != nil && len(c.Sessions) == 0 {
		return page, err
	}
	for opened := 0; opened < maxOpened; {
		c.Limit = min(max(minBatch, p.Limit+1), maxOpened-opened)
		events, err := src.Candidates(ctx, c)
		if err != nil {
			return page, err
		}
		if err := room.meet(ctx, events); err != nil {
			return page, err
		}
		for i, e := range events {
			opened++
			c.After = room.look(e, &page)
			if len(page.Hits) == p.Limit || room.read > maxRead {
				if i+1 < len(events) || len(events) == c.Limit {
					page.Next = c.After.String()
				}
				return page, nil
			}
		}
		if len(events) < c.Limit {
			return page, nil
		}
	}
	page.Next = c.After.String()
	return page, nil
}

// room holds the sessions of the messages found in one search.
type room struct {
	src   Source
	p     parsed
	known map[string]*chatbox.Session // nil value: no such session, or it must not be shown

	passed int64 // messages read, on this page and earlier ones
	read   int   // bytes, on this page
}

// look adds the event to the page if it is a hit, and returns its place.
func (r *room) look(e chatbox.Event, page *helpdesk.SearchPage) *record.SearchCursor {
	r.passed++
	r.read += len(e.Content)
	if hit, ok := r.hit(e); ok {
		page.Hits = append(page.Hits, hit)
	}
	return &record.SearchCursor{Time: record.Millis(e.Time), Session: e.Session.ID, Seq: e.Seq, Passed: r.passed}
}

// narrow returns the sessions that match the query's filters, if there are few,
// and whether their messages are few as well. It returns nil if there are many.
func (r *room) narrow(ctx context.Context) (ids []string, few bool, err error) {
	if r.p.UserID == "" && r.p.Name == "" && len(r.p.Tags) == 0 {
		return nil, false, nil
	}
	q := sessions(r.p.SearchQuery)
	q.From, q.To = time.Time{}, time.Time{} // these times are of messages, not of sessions
	q.Cursor, q.Limit = "", maxNarrow
	found, err := r.src.All(ctx, q)
	if err != nil || found.Next != "" {
		return nil, false, err
	}
	ids = []string{}
	var messages int64
	for _, s := range found.Sessions {
		if !record.HasName(q, s) {
			continue
		}
		r.known[s.Key.ID] = &s
		ids = append(ids, s.Key.ID)
		messages += s.State.Head
	}
	return ids, messages <= maxFew, nil
}

// meet loads the events' sessions that are not loaded yet.
func (r *room) meet(ctx context.Context, events []chatbox.Event) error {
	var ids []string
	for _, e := range events {
		if _, met := r.known[e.Session.ID]; !met {
			r.known[e.Session.ID] = nil
			ids = append(ids, e.Session.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	found, err := r.src.Known(ctx, r.p.Tenant, ids)
	for _, s := range found {
		if r.passes(s) {
			r.known[s.Key.ID] = &s
		}
	}
	return err
}

// passes reports whether the session matches the query's filters.
func (r *room) passes(s chatbox.Session) bool {
	q := sessions(r.p.SearchQuery)
	return !s.Erased && !s.State.Erased &&
		(q.UserID == "" || s.Owner == q.UserID) &&
		(q.Status == "" || s.State.Ended == (q.Status == "ended")) &&
		record.HasName(q, s) && hasTags(s, q.Tags)
}

func hasTags(s chatbox.Session, tags []string) bool {
	for _, tag := range tags {
		folded := helpdesk.FoldTag(tag)
		if !slices.ContainsFunc(s.Tags, func(t string) bool { return helpdesk.FoldTag(t) == folded }) {
			return false
		}
	}
	return true
}

// hit returns the event as a hit if it matches the query and may be shown.
func (r *room) hit(e chatbox.Event) (helpdesk.SearchHit, bool) {
	s := r.known[e.Session.ID]
	if s == nil || e.Session.Tenant != r.p.Tenant {
		return helpdesk.SearchHit{}, false
	}
	excerpt, ok := r.p.words.Excerpt(e.Content)
	return helpdesk.SearchHit{Session: *s, Message: &e, Excerpt: excerpt}, ok
}
