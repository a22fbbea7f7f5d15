package conformance

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"chatbox"
	"chatbox/helpdesk"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ledgerOf makes a tenant with sessions of all kinds, many of them alike in
// what they are ordered by, over an hour or over years.
func ledgerOf(t *testing.T, f StoreFixture, n int, spread time.Duration) (tenant string, all []chatbox.Session) {
	t.Helper()
	tenant = unique("t-")
	r := rand.New(rand.NewPCG(1, 2)) // the same every time
	now := time.Now().UTC().Truncate(time.Millisecond)
	for i := range n {
		start := now.Add(-time.Duration(r.IntN(20)) * spread / 20)
		last := start.Add(time.Duration(r.IntN(5)) * time.Minute)
		st := chatbox.State{
			Head: int64(r.IntN(4) + 1), StartedAt: start, LastActivity: last, Tokens: int64(r.IntN(3)) * 100, Answers: int64(r.IntN(3)),
			HelpRequested: r.IntN(4) == 0, AdminAssisted: r.IntN(5) == 0,
		}
		st.ResponseTotal, st.ResponseMax = st.Answers*700, st.Answers*500
		if r.IntN(3) == 0 {
			st.Ended, st.EndedAt, st.AssistantID = true, last, "ada"
		}
		s := chatbox.Session{
			Key: chatbox.SessionKey{Tenant: tenant, ID: fmt.Sprintf("s%03d", i)}, Owner: fmt.Sprint("u|", r.IntN(5)), Name: "n", CreatedAt: start,
		}
		if i%2 == 0 { // as a session comes to be, and as a fold is stored later
			s.State = st
		}
		_, _, err := f.Sessions.Create(t.Context(), s)
		require.NoError(t, err)
		require.NoError(t, f.Sessions.SaveState(t.Context(), s.Key, st))
		s.State = st
		all = append(all, s)
	}
	gone := chatbox.Session{Key: chatbox.SessionKey{Tenant: tenant, ID: "gone"}, Owner: "u|0", CreatedAt: now, Erased: true}
	_, _, err := f.Sessions.Create(t.Context(), gone)
	require.NoError(t, err)
	return tenant, all
}

// orders is what each order compares.
func orders() map[helpdesk.SessionSort]func(a, b chatbox.Session) int {
	return map[helpdesk.SessionSort]func(a, b chatbox.Session) int{
		helpdesk.SortStart:    func(a, b chatbox.Session) int { return a.CreatedAt.Compare(b.CreatedAt) },
		helpdesk.SortEnd:      func(a, b chatbox.Session) int { return a.State.EndedAt.Compare(b.State.EndedAt) },
		helpdesk.SortActivity: func(a, b chatbox.Session) int { return a.State.LastActivity.Compare(b.State.LastActivity) },
		helpdesk.SortDuration: func(a, b chatbox.Session) int { return cmp.Compare(a.State.Duration(), b.State.Duration()) },
		helpdesk.SortMessages: func(a, b chatbox.Session) int { return cmp.Compare(a.State.Head, b.State.Head) },
		helpdesk.SortTokens:   func(a, b chatbox.Session) int { return cmp.Compare(a.State.Tokens, b.State.Tokens) },
		helpdesk.SortUser:     func(a, b chatbox.Session) int { return cmp.Compare(a.Owner, b.Owner) },
	}
}

func sorted(all []chatbox.Session, by func(a, b chatbox.Session) int, desc bool) []chatbox.Session {
	out := slices.Clone(all)
	slices.SortFunc(out, func(a, b chatbox.Session) int {
		c := cmp.Or(by(a, b), cmp.Compare(a.Key.ID, b.Key.ID))
		if desc {
			return -c
		}
		return c
	})
	return out
}

// wholeLedger pages to the end by cursor.
func wholeLedger(t *testing.T, f StoreFixture, q helpdesk.StaffQuery, total int) (all []chatbox.Session) {
	t.Helper()
	for {
		page, err := f.Ledger.All(t.Context(), q)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Sessions), q.Limit)
		require.EqualValues(t, total, page.Total, "on every page")
		require.False(t, page.More)
		all = append(all, page.Sessions...)
		require.LessOrEqual(t, len(all), total)
		if q.Cursor = page.Next; q.Cursor == "" {
			return all
		}
	}
}

func ledgerOrders(t *testing.T, f StoreFixture) {
	t.Helper()
	const n = 60
	for _, spread := range []time.Duration{time.Hour, 5 * 365 * 24 * time.Hour} {
		tenant, all := ledgerOf(t, f, n, spread)
		for by, order := range orders() {
			for _, desc := range []bool{false, true} {
				want := sorted(all, order, desc)
				name := fmt.Sprint(by, " desc ", desc, " over ", spread)
				for _, limit := range []int{7, n - 1, n, 1000} {
					q := helpdesk.StaffQuery{Tenant: tenant, Sort: by, Desc: desc, Limit: limit}
					require.Equal(t, want, wholeLedger(t, f, q, n), "%s by %d", name, limit)
				}
				page, err := f.Ledger.All(t.Context(), helpdesk.StaffQuery{Tenant: tenant, Sort: by, Desc: desc, Limit: 5, Offset: n - 8})
				require.NoError(t, err)
				require.Equal(t, want[n-8:n-3], page.Sessions, "%s by offset", name)
			}
		}
	}
}

func ledgerFilters(t *testing.T, f StoreFixture) {
	t.Helper()
	tenant, all := ledgerOf(t, f, 80, 20*24*time.Hour)
	yes, no := true, false
	middle := all[0].CreatedAt
	for name, c := range map[string]struct {
		q    helpdesk.StaffQuery
		pass func(s chatbox.Session) bool
	}{
		"user":         {helpdesk.StaffQuery{UserID: "u|2"}, func(s chatbox.Session) bool { return s.Owner == "u|2" }},
		"active":       {helpdesk.StaffQuery{Status: "active"}, func(s chatbox.Session) bool { return !s.State.Ended }},
		"ended":        {helpdesk.StaffQuery{Status: "ended"}, func(s chatbox.Session) bool { return s.State.Ended }},
		"assisted":     {helpdesk.StaffQuery{Assisted: &yes}, func(s chatbox.Session) bool { return s.State.AdminAssisted }},
		"not assisted": {helpdesk.StaffQuery{Assisted: &no}, func(s chatbox.Session) bool { return !s.State.AdminAssisted }},
		"help":         {helpdesk.StaffQuery{Help: &yes}, func(s chatbox.Session) bool { return s.State.HelpRequested }},
		"no help":      {helpdesk.StaffQuery{Help: &no}, func(s chatbox.Session) bool { return !s.State.HelpRequested }},
		"from":         {helpdesk.StaffQuery{From: middle}, func(s chatbox.Session) bool { return !s.CreatedAt.Before(middle) }},
		"to":           {helpdesk.StaffQuery{To: middle}, func(s chatbox.Session) bool { return s.CreatedAt.Before(middle) }},
		"a day": {helpdesk.StaffQuery{From: middle, To: middle.Add(24*time.Hour + time.Millisecond)}, func(s chatbox.Session) bool {
			return !s.CreatedAt.Before(middle) && s.CreatedAt.Before(middle.Add(24*time.Hour+time.Millisecond))
		}},
		"many": {helpdesk.StaffQuery{UserID: "u|1", Status: "active", Help: &no, From: middle.Add(-240 * time.Hour)}, func(s chatbox.Session) bool {
			return s.Owner == "u|1" && !s.State.Ended && !s.State.HelpRequested && !s.CreatedAt.Before(middle.Add(-240*time.Hour))
		}},
		"nobody": {helpdesk.StaffQuery{UserID: "nobody"}, func(chatbox.Session) bool { return false }},
	} {
		var pass []chatbox.Session
		for _, s := range all {
			if c.pass(s) {
				pass = append(pass, s)
			}
		}
		for by, order := range orders() {
			for _, desc := range []bool{false, true} {
				c.q.Tenant, c.q.Sort, c.q.Desc, c.q.Limit = tenant, by, desc, 9
				want := sorted(pass, order, desc)
				require.Equal(t, want, wholeLedger(t, f, c.q, len(want)), "%s by %s, desc %v", name, by, desc)
			}
		}
	}
	page, err := f.Ledger.All(t.Context(), helpdesk.StaffQuery{Tenant: unique("t-"), Sort: helpdesk.SortActivity, Limit: 5})
	require.NoError(t, err)
	assert.Empty(t, page.Sessions, "another tenant has none of them")
	assert.Zero(t, page.Total)
}

func ledgerRefuses(t *testing.T, f StoreFixture) {
	t.Helper()
	tenant, _ := ledgerOf(t, f, 5, time.Hour)
	first, err := f.Ledger.All(t.Context(), helpdesk.StaffQuery{Tenant: tenant, Sort: helpdesk.SortTokens, Limit: 2})
	require.NoError(t, err)
	require.NotEmpty(t, first.Next)
	for field, q := range map[string]helpdesk.StaffQuery{
		"sort_by": {Sort: "name; DROP TABLE sessions"},
		"status":  {Sort: helpdesk.SortStart, Status: "open"},
		"offset":  {Sort: helpdesk.SortTokens, Offset: 1, Cursor: first.Next},
		"cursor":  {Sort: helpdesk.SortTokens, Cursor: "e30"},
	} {
		q.Tenant, q.Limit = tenant, 2
		_, err := f.Ledger.All(t.Context(), q)
		var e *chatbox.Error
		require.ErrorAs(t, err, &e, field)
		assert.Equal(t, field, e.Field)
		assert.Equal(t, chatbox.InvalidArgument, e.Code)
	}
	for _, q := range []helpdesk.StaffQuery{{Sort: helpdesk.SortStart}, {Sort: helpdesk.SortTokens, Desc: true}} {
		q.Tenant, q.Limit, q.Cursor = tenant, 2, first.Next
		_, err := f.Ledger.All(t.Context(), q)
		require.ErrorIs(t, err, chatbox.InvalidArgument, "a cursor of another order")
	}
	yes := true
	for name, q := range map[string]helpdesk.StaffQuery{
		"tenant": {Tenant: unique("t-")}, "user": {UserID: "u|1"}, "status": {Status: "active"}, "help": {Help: &yes}, "tags": {Tags: []string{"a"}},
		"assignee": {Assigned: "ada"}, "time": {From: epoch}, "waiting": {Waiting: &yes},
	} {
		if q.Tenant == "" {
			q.Tenant = tenant
		}
		q.Sort, q.Limit, q.Cursor = helpdesk.SortTokens, 2, first.Next
		_, err := f.Ledger.All(t.Context(), q)
		require.ErrorIs(t, err, chatbox.InvalidArgument, "a cursor of another %s, whose total it carries", name)
	}
}

func ledgerSummary(t *testing.T, f StoreFixture) {
	t.Helper()
	tenant, all := ledgerOf(t, f, 50, 20*24*time.Hour)
	for _, from := range []time.Time{{}, all[0].CreatedAt, time.Now().Add(time.Hour)} {
		var want helpdesk.SessionSummary
		for i, s := range all {
			if i%3 == 0 {
				_, err := f.Ratings.Rate(t.Context(), s.Key, chatbox.Rating{Score: 1 + i%5, Time: epoch, Talk: 1, AdminID: "a"})
				require.NoError(t, err)
			}
			if s.CreatedAt.Before(from) {
				continue
			}
			want.Total++
			want.Tokens += s.State.Tokens
			want.Answers += s.State.Answers
			want.ResponseTotal += s.State.ResponseTotal
			want.ResponseMax = max(want.ResponseMax, s.State.ResponseMax)
			if i%3 == 0 {
				want.Ratings, want.Scores = want.Ratings+1, want.Scores+1+int64(i%5)
			}
			for flag, n := range map[*int64]bool{&want.Active: !s.State.Ended, &want.Assisted: s.State.AdminAssisted, &want.Asked: s.State.HelpRequested} {
				if n {
					*flag++
				}
			}
		}
		got, err := f.Ledger.Summary(t.Context(), tenant, from, time.Now().Add(2*time.Hour))
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
}

func concurrencyAddsUp(t *testing.T, f StoreFixture) {
	t.Helper()
	tenant := unique("t-")
	at := epoch.Truncate(time.Minute)
	tally := func(minute int, pod, run string, seconds float64, peak int64) {
		t.Helper()
		require.NoError(t, f.Concurrency.Tally(t.Context(), []helpdesk.ConcurrencySample{
			{Tenant: tenant, Pod: chatbox.PodID(pod), Run: run, Minute: at.Add(time.Duration(minute) * time.Minute), Seconds: seconds, Peak: peak},
			{Tenant: tenant + "x", Pod: chatbox.PodID(pod), Run: run, Minute: at, Seconds: 1000, Peak: 1000},
		}))
	}
	none, err := f.Concurrency.Total(t.Context(), tenant, at, at.Add(time.Hour))
	require.NoError(t, err)
	assert.Equal(t, helpdesk.Concurrency{}, none)
	tally(2, "p1", "a", 10, 1)
	tally(2, "p1", "a", 60, 2)  // the same minute, later
	tally(2, "p1", "b", 30, 2)  // the pod was restarted
	tally(2, "p2", "a", 120, 3) // another pod
	tally(4, "p1", "b", 60, 4)
	tally(90, "p1", "b", 600, 40) // after the period
	got, err := f.Concurrency.Total(t.Context(), tenant, at, at.Add(time.Hour))
	require.NoError(t, err)
	assert.Equal(t, helpdesk.Concurrency{Since: at.Add(2 * time.Minute), Seconds: 270, Peak: 5}, got)
	require.NoError(t, f.Concurrency.Forget(t.Context(), at.Add(3*time.Minute)))
	got, err = f.Concurrency.Total(t.Context(), tenant, at, at.Add(time.Hour))
	require.NoError(t, err)
	assert.Equal(t, helpdesk.Concurrency{Since: at.Add(4 * time.Minute), Seconds: 60, Peak: 4}, got)
}

// An admin who connects in the middle of a minute counts from that time. A minute
// without a known time counts from its start.
func concurrencySaysSince(t *testing.T, f StoreFixture) {
	t.Helper()
	tenant := unique("t-")
	at := epoch.Truncate(time.Minute)
	for _, w := range []struct {
		pod   chatbox.PodID
		after time.Duration // the minute's start
	}{{"p1", 40 * time.Second}, {"p2", 25 * time.Second}, {"p3", 0}} {
		c := helpdesk.ConcurrencySample{Tenant: tenant, Pod: w.pod, Run: "a", Minute: at, Seconds: 10, Peak: 1}
		if w.after > 0 {
			c.Since = at.Add(w.after)
		}
		require.NoError(t, f.Concurrency.Tally(t.Context(), []helpdesk.ConcurrencySample{c}))
		got, err := f.Concurrency.Total(t.Context(), tenant, at, at.Add(time.Hour))
		require.NoError(t, err)
		assert.Equal(t, at.Add(w.after), got.Since, "%s", w.pod)
	}
}
