// Package find is how both stores search: which messages may have the words
// they know by tokens; whether they have them is seen when they are opened.
package find

import (
	"context"
	"time"

	"chatbox"
	"chatbox/persistence/internal/record"
	"chatbox/persistence/internal/words"
)

// Bounds of one page.
const (
	maxOpened = 500     // messages
	maxRead   = 4 << 20 // bytes of what they say; the one that exceeds it is the last
	minBatch  = 50      // messages asked for at once
	maxNarrow = 200     // sessions that messages are looked for in, where filters name no more
	maxFew    = 10_000
)

// Source is a store as a search sees it.
type Source interface {
	record.Blind
	// All pages through sessions.
	All(ctx context.Context, q chatbox.StaffQuery) (chatbox.StaffPage, error)
	// Known are those of the sessions that there are.
	Known(ctx context.Context, tenant string, ids []string) ([]chatbox.Session, error)
	// Candidates are the messages that have the tokens, newest first. One that
	// cannot be opened has no content.
	Candidates(ctx context.Context, c Candidates) ([]chatbox.Event, error)
}

// Candidates asks for messages by tokens.
type Candidates struct {
	Tenant   string
	Tokens   [][]int64 // all of any one of the lists
	Owner    string    // of the session; empty: any
	Sessions []string  // nil: any
	Few      bool      // the sessions have few messages: it takes little to look at all of them
	From, To time.Time // From ≤ time < To; zero: not given
	After    *record.SearchCursor
	Limit    int
}

// Check refuses what cannot be searched for, without a look at the store.
func Check(q chatbox.SearchQuery, wordsOff bool) error {
	_, err := parse(q, wordsOff)
	return err
}

// parsed is a query whose every part is known to be good.
type parsed struct {
	chatbox.SearchQuery

	words words.Query
	after *record.SearchCursor
}

func parse(q chatbox.SearchQuery, wordsOff bool) (parsed, error) {
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

// sessions is the query without its words.
func sessions(q chatbox.SearchQuery) chatbox.StaffQuery {
	return chatbox.StaffQuery{
		Tenant: q.Tenant, UserID: q.UserID, Status: q.Status, Name: q.Name, Tags: q.Tags, From: q.From, To: q.To,
		Sort: chatbox.SortActivity, Desc: true, Limit: q.Limit, Cursor: q.Cursor,
	}
}

// Run makes one page.
func Run(ctx context.Context, src Source, q chatbox.SearchQuery, wordsOff bool) (chatbox.SearchPage, error) {
	p, err := parse(q, wordsOff)
	if err != nil {
		return chatbox.SearchPage{}, err
	}
	var page chatbox.SearchPage
	if q.Words == "" {
		page, err = list(ctx, src, q)
	} else {
		page, err = search(ctx, src, p)
	}
	page.WordsOff = wordsOff
	return page, err
}

func list(ctx context.Context, src Source, q chatbox.SearchQuery) (chatbox.SearchPage, error) {
	asked := sessions(q)
	found, err := src.All(ctx, asked)
	if err != nil {
		return chatbox.SearchPage{}, err
	}
	page := chatbox.SearchPage{Next: found.Next}
	for _, s := range found.Sessions {
		if record.HasName(asked, s) { // the list is of those that have the words, in whatever order
			page.Hits = append(page.Hits, chatbox.SearchHit{Session: s})
		}
	}
	return page, nil
}
