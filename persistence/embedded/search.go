package embedded

import (
	"context"
	"errors"
	"slices"
	"strings"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/persistence"
	"chatbox/persistence/internal/find"
	"chatbox/persistence/internal/record"
)

// Search finds messages by the tokens of their words. Tokens are written in the
// message's transaction.
type Search struct{ s *Store }

// Check returns the errors that Find would return for a bad query, without
// reading the file.
func (m *Search) Check(q helpdesk.SearchQuery) error { return find.Check(q, m.s.noWords) }

// Find returns one page of hits, newest first. It decrypts each candidate to make
// sure that the message contains the words. It returns chatbox.InvalidArgument
// for a bad query.
func (m *Search) Find(ctx context.Context, q helpdesk.SearchQuery) (helpdesk.SearchPage, error) {
	return find.Run(ctx, source{m.s.Sessions(), m.s.keys}, q, m.s.noWords)
}

type source struct {
	*Sessions
	*persistence.Keyring
}

// Known returns the sessions that exist.
func (src source) Known(ctx context.Context, tenant string, ids []string) ([]chatbox.Session, error) {
	var out []chatbox.Session
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return nil, record.Failed("load sessions", err)
		}
		s, err := src.Load(ctx, chatbox.SessionKey{Tenant: tenant, ID: id})
		switch {
		case err == nil:
			out = append(out, s)
		case !errors.Is(err, chatbox.NotFound):
			return nil, err
		}
	}
	return out, nil
}

// Candidates returns the messages that have the tokens, newest first. A message
// is indexed under the key that sealed it, so each key is queried separately.
func (src source) Candidates(ctx context.Context, c find.Candidates) ([]chatbox.Event, error) {
	var all []chatbox.Event
	for _, tokens := range c.Tokens {
		tokens, err := src.rarest(ctx, tokens)
		if err != nil {
			return nil, err
		}
		some, err := src.having(ctx, c, tokens)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, func(a, b chatbox.Event) int {
		if placeOf(a).Before(placeOf(b)) {
			return -1
		}
		return 1
	})
	return all[:min(len(all), c.Limit)], nil
}

func placeOf(e chatbox.Event) record.SearchCursor {
	return record.SearchCursor{Time: record.Millis(e.Time), Session: e.Session.ID, Seq: e.Seq}
}

// rarest moves the token with the fewest messages to the front, as far as
// counting is cheap. The query reads the messages of the first token and looks up
// the other tokens for each.
func (src source) rarest(ctx context.Context, tokens []int64) ([]int64, error) {
	const enough = 2000
	tokens = slices.Clone(tokens)
	least, at := enough+1, 0
	for i, token := range tokens {
		var n int
		err := src.s.reader.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM words WHERE token = ? LIMIT ?)", token, enough).Scan(&n)
		if err != nil {
			return nil, record.Failed("search messages", err)
		}
		if n < least {
			least, at = n, i
		}
	}
	tokens[0], tokens[at] = tokens[at], tokens[0]
	return tokens, nil
}

func (src source) having(ctx context.Context, c find.Candidates, tokens []int64) ([]chatbox.Event, error) {
	const act = "search messages"
	text, args := foundSQL(c, tokens)
	rows, err := src.s.reader.QueryContext(ctx, text, args...)
	return collect(act, rows, err, func(scan func(...any) error) (chatbox.Event, error) {
		return src.scanCandidate(c.Tenant, scan)
	})
}

// scanCandidate decodes one row of foundSQL: the place, then the event.
func (src source) scanCandidate(tenant string, scan func(...any) error) (chatbox.Event, error) {
	k := chatbox.SessionKey{Tenant: tenant}
	var seq, at int64
	place := []any{&k.ID, &seq, &at}
	if err := scan(append(place, slices.Repeat([]any{new(any)}, strings.Count(readColumns, ",")+1)...)...); err != nil {
		return chatbox.Event{}, err
	}
	return src.s.scanEvent(k, func(into ...any) error { return scan(append(place, into...)...) })
}

// foundSQL returns a query that reads the first token's part of the index, newest
// first.
func foundSQL(c find.Candidates, tokens []int64) (string, []any) {
	w := &conditions{}
	w.add("w.token = ?", tokens[0])
	for _, token := range tokens[1:] {
		w.add("EXISTS (SELECT 1 FROM words x WHERE x.token = ? AND x.time = w.time AND x.n = w.n)", token)
	}
	if !c.From.IsZero() {
		w.add("w.time >= ?", record.Millis(c.From))
	}
	if !c.To.IsZero() {
		w.add("w.time < ?", record.Millis(c.To))
	}
	if p := c.After; p != nil {
		w.add("w.time <= ?", p.Time)
		w.add("(w.time < ? OR m.session < ? OR m.session = ? AND m.seq < ?)", p.Time, p.Session, p.Session, p.Seq)
	}
	w.add("m.tenant = ?", c.Tenant)
	if c.Owner != "" {
		w.add("m.owner = ?", c.Owner)
	}
	if c.Sessions != nil {
		marks := strings.TrimSuffix(strings.Repeat("?, ", len(c.Sessions)), ", ")
		ids := make([]any, len(c.Sessions))
		for i, id := range c.Sessions {
			ids[i] = id
		}
		w.add("m.session IN ("+marks+")", ids...)
	}
	columns := "m." + strings.Join(strings.Fields(readColumns), " m.")
	text := "SELECT m.session, m.seq, w.time, " + columns + ` FROM words w
	CROSS JOIN spoken i ON i.n = w.n
	CROSS JOIN messages m ON m.tenant = i.tenant AND m.session = i.session AND m.seq = i.seq
	WHERE ` + w.String() + " ORDER BY w.time DESC, m.session DESC, m.seq DESC LIMIT ?"
	return text, append(w.args, c.Limit)
}

// nameConditions adds the conditions on the tokens of a name.
func nameConditions(c *conditions, q record.StaffQuery) {
	if len(q.Names) == 0 {
		return
	}
	var ways []string
	var args []any
	for _, tokens := range q.Names {
		way := &conditions{}
		for _, token := range tokens {
			way.add("session IN (SELECT session FROM name_words WHERE token = ? AND tenant = ?)", token, q.Tenant)
		}
		ways, args = append(ways, "("+way.String()+")"), append(args, way.args...)
	}
	c.add("("+strings.Join(ways, " OR ")+")", args...)
}
