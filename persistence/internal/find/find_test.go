package find

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/persistence/internal/record"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shelf is a store whose index returns every message for every word, which is the
// worst case of clashing tokens.
type shelf struct {
	events   []chatbox.Event // newest first
	sessions []chatbox.Session
	asked    []Candidates
	listed   []helpdesk.StaffQuery
	loads    int
}

func (s *shelf) Tokens(_, _ string, words []string) ([]int64, error) {
	return make([]int64, len(words)), nil
}

func (s *shelf) TokensOfAll(_, _ string, words []string) ([][]int64, error) {
	return [][]int64{make([]int64, len(words))}, nil
}

func (s *shelf) All(_ context.Context, q helpdesk.StaffQuery) (page helpdesk.StaffPage, err error) {
	s.listed = append(s.listed, q)
	for _, sess := range s.sessions {
		if q.UserID != "" && sess.Owner != q.UserID || sess.Erased {
			continue
		}
		if len(page.Sessions) == q.Limit {
			page.Next = "more"
			break
		}
		page.Sessions = append(page.Sessions, sess)
	}
	return page, nil
}

func (s *shelf) Known(_ context.Context, _ string, ids []string) (out []chatbox.Session, err error) {
	s.loads++
	for _, sess := range s.sessions {
		if slices.Contains(ids, sess.Key.ID) {
			out = append(out, sess)
		}
	}
	return out, nil
}

func (s *shelf) Candidates(_ context.Context, c Candidates) (out []chatbox.Event, err error) {
	s.asked = append(s.asked, c)
	for _, e := range s.events {
		at := record.SearchCursor{Time: record.Millis(e.Time), Session: e.Session.ID, Seq: e.Seq}
		if c.After != nil && !c.After.Before(at) || c.Sessions != nil && !slices.Contains(c.Sessions, e.Session.ID) {
			continue
		}
		if len(out) == c.Limit {
			break
		}
		out = append(out, e)
	}
	return out, nil
}

// fill creates n messages in as many sessions, every second of which is bob's.
func fill(n int, content func(i int) string) *shelf {
	s := &shelf{}
	for i := range n {
		k := chatbox.SessionKey{Tenant: "t", ID: fmt.Sprintf("s%04d", i)}
		owner := "ann"
		if i%2 == 1 {
			owner = "bob"
		}
		s.sessions = append(s.sessions, chatbox.Session{Key: k, Owner: owner})
		s.events = append(s.events, chatbox.Event{
			Session: k, Seq: 1, Content: content(i), Time: time.UnixMilli(1_750_000_000_000).Add(-time.Duration(i) * time.Minute).UTC(),
		})
	}
	return s
}

func needles(every int) func(int) string {
	return func(i int) string {
		if i%every == every-1 {
			return "a needle"
		}
		return "hay"
	}
}

func run(t *testing.T, s *shelf, q helpdesk.SearchQuery) helpdesk.SearchPage {
	t.Helper()
	q.Tenant = "t"
	page, err := Run(t.Context(), s, q, false)
	require.NoError(t, err)
	return page
}

// A page reads a limited number of messages; those after them are on the next
// page.
func TestRun_OpensABoundedNumberForAPage(t *testing.T) {
	s := fill(1200, needles(400))
	var found []string
	q := helpdesk.SearchQuery{Words: "needle", Limit: 20}
	for pages := 1; ; pages++ {
		s.asked = nil
		page := run(t, s, q)
		opened := 0
		for _, c := range s.asked {
			opened += c.Limit
		}
		assert.LessOrEqual(t, opened, maxOpened)
		for _, h := range page.Hits {
			found = append(found, h.Session.Key.ID)
			assert.Equal(t, "a needle", h.Excerpt)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			assert.Equal(t, 3, pages)
			break
		}
	}
	assert.Equal(t, []string{"s0399", "s0799", "s1199"}, found)
}

// A page also reads a limited number of bytes.
func TestRun_ReadsABoundedAmountForAPage(t *testing.T) {
	long := strings.Repeat("hay ", maxRead/4/10) + "needle" // ten of them are a little more
	s := fill(25, func(int) string { return long })
	var sizes []int
	q := helpdesk.SearchQuery{Words: "needle", Limit: 20}
	for {
		page := run(t, s, q)
		sizes = append(sizes, len(page.Hits))
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	assert.Equal(t, []int{10, 10, 5}, sizes)
}

func TestRun_AFullPageSaysWhetherThereIsMore(t *testing.T) {
	s := fill(3, needles(1))
	page := run(t, s, helpdesk.SearchQuery{Words: "needle", Limit: 3})
	assert.Len(t, page.Hits, 3)
	assert.Empty(t, page.Next)
	page = run(t, s, helpdesk.SearchQuery{Words: "needle", Limit: 2})
	assert.Len(t, page.Hits, 2)
	page = run(t, s, helpdesk.SearchQuery{Words: "needle", Limit: 2, Cursor: page.Next})
	assert.Len(t, page.Hits, 1)
	assert.Empty(t, page.Next)
	assert.Equal(t, 3, s.loads, "sessions of a page are loaded together")
}

// If filters match few sessions they are looked up first; if they match many,
// messages are.
func TestRun_NarrowsWhereFiltersNameFewSessions(t *testing.T) {
	few := fill(maxNarrow, needles(1))
	page := run(t, few, helpdesk.SearchQuery{Words: "needle", UserID: "bob", Limit: 5, From: time.UnixMilli(1)})
	assert.Len(t, page.Hits, 5)
	assert.Len(t, few.asked[0].Sessions, maxNarrow/2)
	assert.True(t, few.listed[0].From.IsZero(), "when a session began is not when it was said")
	assert.Zero(t, few.loads)
	assert.True(t, few.asked[0].Few)
	few.sessions[1].State.Head = maxFew + 1
	run(t, few, helpdesk.SearchQuery{Words: "needle", UserID: "bob", Limit: 5})
	assert.False(t, few.asked[1].Few)

	many := fill(3*maxNarrow, needles(1))
	page = run(t, many, helpdesk.SearchQuery{Words: "needle", UserID: "bob", Limit: 5})
	assert.Nil(t, many.asked[0].Sessions)
	assert.Equal(t, "bob", many.asked[0].Owner)
	require.Len(t, page.Hits, 5)
	for _, h := range page.Hits {
		assert.Equal(t, "bob", h.Session.Owner)
	}
	nobody := fill(4, needles(1))
	assert.Empty(t, run(t, nobody, helpdesk.SearchQuery{Words: "needle", UserID: "cid", Limit: 5}).Hits)
	assert.Empty(t, nobody.asked)
}

func TestRun_ShowsNothingOfWhatIsGone(t *testing.T) {
	s := fill(5, needles(1))
	s.sessions[0].Erased = true
	s.sessions[1].State.Erased = true
	s.sessions = slices.Delete(s.sessions, 2, 3)
	s.events[3].Session.Tenant = "other"
	s.events[4].Content = "" // could not be opened
	page := run(t, s, helpdesk.SearchQuery{Words: "needle", Limit: 5})
	assert.Empty(t, page.Hits)
	assert.Empty(t, page.Next)
}

// Filters also apply if too many sessions match to look them up first.
func TestRun_HonoursSessionFilters(t *testing.T) {
	s := fill(2*maxNarrow+2, needles(1))
	s.sessions[0].State.Ended = true
	s.sessions[1].Tags, s.sessions[2].Name = []string{"VIP", "New"}, "A name, of two"
	for want, q := range map[string]helpdesk.SearchQuery{
		"s0000": {Status: "ended"}, "s0001": {Tags: []string{"new", "vip"}}, "s0002": {Name: `"name of"`},
	} {
		q.Words, q.Limit = "needle", 5
		page := run(t, s, q)
		require.Len(t, page.Hits, 1, want)
		assert.Equal(t, want, page.Hits[0].Session.Key.ID)
	}
	assert.Empty(t, run(t, s, helpdesk.SearchQuery{Words: "needle", Tags: []string{"vip", "x"}, Limit: 5}).Hits)
}
