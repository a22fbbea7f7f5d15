// Package find implements the search for both stores. Tokens find the messages
// that may contain the words; the messages are then decrypted to check that they
// do.
package find

import (
	"context"
	"time"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/persistence/internal/record"
	"chatbox/persistence/internal/words"
)

// Limits of one page.
const (
	maxOpened = 500     // messages
	maxRead   = 4 << 20 // bytes of content; the message that exceeds it is the last
	minBatch  = 50      // messages read at once
	maxNarrow = 200     // sessions to search in, if filters allow no more
	maxFew    = 10_000
)

// Source is the part of a store that a search needs.
type Source interface {
	record.Blind
	// All returns a page of sessions.
	All(ctx context.Context, q helpdesk.StaffQuery) (helpdesk.StaffPage, error)
	// Known returns the sessions that exist.
	Known(ctx context.Context, tenant string, ids []string) ([]chatbox.Session, error)
	// Candidates returns the messages that have the tokens, newest first. A
	// message that cannot be decrypted has no content.
	Candidates(ctx context.Context, c Candidates) ([]chatbox.Event, error)
}

// Candidates is a query for messages by tokens.
type Candidates struct {
	Tenant   string
	Tokens   [][]int64 // all tokens of at least one list
	Owner    string    // of the session; empty: any
	Sessions []string  // nil: any
	Few      bool      // the sessions have few messages, so reading all of them is cheap
	From, To time.Time // From ≤ time < To; zero: unbounded
	After    *record.SearchCursor
	Limit    int
}

// Check returns an error for a bad query, without reading the store.
func Check(q helpdesk.SearchQuery, wordsOff bool) error {
	_, err := parse(q, wordsOff)
	return err
}

// parsed is a query whose parts are all valid.
type parsed struct {
	helpdesk.SearchQuery

	words words.Query
	after *record.SearchCursor
}

func parse(q helpdesk.SearchQuery, wordsOff bool) (parsed, error) {
	p := parsed{SearchQuery: q}
	for _, asked := range []struct {
		field, text string
		into        *words.Query
	}{{"q", q.Words, &p.words}, {"name", q.Name, new(words.Query)}} {
		if asked.text == "" {
			continue
		}
		if wordsOff {
			return p, record.WordsOff(asked.field)
		}
		var err error
		if *asked.into, err = words.Parse(asked.field, asked.text); err != nil {
			return p, err
		}
	}
	if q.Words == "" {
		list := sessions(q)
		if err := record.CheckStaffQuery(list); err != nil || q.Cursor == "" {
			return p, err
		}
		_, err := record.ParseStaffCursor(list)
		return p, err
	}
	if q.Status != "" && q.Status != "active" && q.Status != "ended" {
		return p, chatbox.Invalid("status", "must be active or ended")
	}
	if q.Cursor != "" {
		after, err := record.ParseSearchCursor(q.Cursor)
		if err != nil {
			return p, err
		}
		p.after = &after
	}
	return p, nil
}

// sessions returns the query without its words.
func sessions(q helpdesk.SearchQuery) helpdesk.StaffQuery {
	return helpdesk.StaffQuery{
		Tenant: q.Tenant, UserID: q.UserID, Status: q.Status, Name: q.Name, Tags: q.Tags, From: q.From, To: q.To,
		Sort: helpdesk.SortActivity, Desc: true, Limit: q.Limit, Cursor: q.Cursor,
	}
}

// Run returns one page.
func Run(ctx context.Context, src Source, q helpdesk.SearchQuery, wordsOff bool) (helpdesk.SearchPage, error) {
	p, err := parse(q, wordsOff)
	if err != nil {
		return helpdesk.SearchPage{}, err
	}
	var page helpdesk.SearchPage
	if q.Words == "" {
		page, err = list(ctx, src, q)
	} else {
		page, err = search(ctx, src, p)
	}
	page.WordsOff = wordsOff
	return page, err
}

func list(ctx context.Context, src Source, q helpdesk.SearchQuery) (helpdesk.SearchPage, error) {
	asked := sessions(q)
	found, err := src.All(ctx, asked)
	if err != nil {
		return helpdesk.SearchPage{}, err
	}
	page := helpdesk.SearchPage{Next: found.Next}
	for _, s := range found.Sessions {
		if record.HasName(asked, s) { // the page has matching sessions in any order
			page.Hits = append(page.Hits, helpdesk.SearchHit{Session: s})
		}
	}
	return page, nil
}
