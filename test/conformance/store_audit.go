package conformance

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"chatbox"
	"chatbox/persistence"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func admin(tenant, id string) chatbox.Actor {
	return chatbox.Actor{Tenant: tenant, UserID: id, Roles: []string{chatbox.RoleAdmin}}
}

// audited reads a whole log in pages of the size.
func audited(t *testing.T, s Stores, q chatbox.AuditQuery, limit int) (all []chatbox.AuditEntry) {
	t.Helper()
	q.Limit, q.Cursor = limit, ""
	for range 1000 {
		page, err := s.Audit.Entries(t.Context(), q)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Entries), limit)
		all = append(all, page.Entries...)
		if q.Cursor = page.Next; q.Cursor == "" {
			return all
		}
	}
	t.Fatal("the log does not end")
	return nil
}

func places(entries []chatbox.AuditEntry) []int64 {
	out := make([]int64, len(entries))
	for i, e := range entries {
		out[i] = e.N
	}
	return out
}

func auditReadsBack(t *testing.T, f StoreFixture) {
	t.Helper()
	tenant, other := unique("t-"), unique("t-")
	record := func(by string, action chatbox.AuditAction, session, user string) {
		t.Helper()
		require.NoError(t, f.Audit.Record(t.Context(), admin(tenant, by), action, chatbox.AuditSubject{SessionID: session, UserID: user}))
	}
	before := time.Now()
	record("ada", chatbox.AuditSessionRead, "s1", "u1")
	record("ada", chatbox.AuditSessionTakeover, "s1", "u1")
	record("bob", chatbox.AuditSessionRead, "s2", "u2")
	record("bob", chatbox.AuditLogRead, "", "")
	record("ada", chatbox.AuditUserErase, "", "ada")
	require.NoError(t, f.Audit.Record(t.Context(), admin(other, "ada"), chatbox.AuditLogRead, chatbox.AuditSubject{}))

	all := audited(t, f.Stores, chatbox.AuditQuery{Tenant: tenant}, 2)
	require.Equal(t, []int64{5, 4, 3, 2, 1}, places(all), "newest first, dense, the tenant's alone")
	first := all[4]
	assert.Equal(t, chatbox.AuditSessionRead, first.Action)
	assert.Equal(t, "s1", first.SessionID)
	assert.Equal(t, "ada", first.ActorID)
	assert.Equal(t, "u1", first.UserID)
	assert.NotContains(t, first.Actor, "ada", "a pseudonym")
	assert.Equal(t, all[0].Actor, first.Actor, "one person, one pseudonym")
	assert.Equal(t, all[0].Actor, all[0].User)
	assert.NotEqual(t, first.Actor, all[2].Actor)
	assert.NotEqual(t, first.Actor, audited(t, f.Stores, chatbox.AuditQuery{Tenant: other}, 9)[0].Actor, "another tenant's is another")
	assert.Empty(t, all[1].User)
	for _, e := range all {
		assert.WithinRange(t, e.Time, before.Add(-time.Millisecond), time.Now())
	}

	for name, c := range map[string]struct {
		q    chatbox.AuditQuery
		want []int64
	}{
		"actor":            {chatbox.AuditQuery{Actor: "bob"}, []int64{4, 3}},
		"pseudonym":        {chatbox.AuditQuery{Actor: first.Actor}, []int64{5, 2, 1}},
		"whom":             {chatbox.AuditQuery{UserID: "u2"}, []int64{3}},
		"whose pseudonym":  {chatbox.AuditQuery{UserID: first.User}, places(about(all, first.User))},
		"oneself":          {chatbox.AuditQuery{Actor: "ada", UserID: "ada"}, []int64{5}},
		"about nobody":     {chatbox.AuditQuery{UserID: "nobody"}, []int64{}},
		"unknown actor":    {chatbox.AuditQuery{Actor: "nobody"}, []int64{}},
		"action":           {chatbox.AuditQuery{Action: chatbox.AuditSessionRead}, []int64{3, 1}},
		"session":          {chatbox.AuditQuery{SessionID: "s1"}, []int64{2, 1}},
		"all of them":      {chatbox.AuditQuery{Actor: "ada", Action: chatbox.AuditSessionRead, SessionID: "s1"}, []int64{1}},
		"since ever":       {chatbox.AuditQuery{From: before.Add(-time.Hour), To: time.Now().Add(time.Hour)}, []int64{5, 4, 3, 2, 1}},
		"before it began":  {chatbox.AuditQuery{To: before.Add(-time.Hour)}, []int64{}},
		"after its end":    {chatbox.AuditQuery{From: time.Now().Add(time.Hour)}, []int64{}},
		"from the third":   {chatbox.AuditQuery{From: all[2].Time}, since(all, all[2].Time, false)},
		"before the third": {chatbox.AuditQuery{To: all[2].Time}, since(all, all[2].Time, true)},
	} {
		c.q.Tenant = tenant
		assert.Equal(t, c.want, places(audited(t, f.Stores, c.q, 1)), name)
	}
	for _, tenant := range []string{tenant, tenant + "-that-has-no-log"} {
		_, err := f.Audit.Entries(t.Context(), chatbox.AuditQuery{Tenant: tenant, Limit: 1, Cursor: "x"})
		var e *chatbox.Error
		require.ErrorAs(t, err, &e)
		assert.Equal(t, "cursor", e.Field)
	}
}

// about are the entries about the pseudonym.
func about(all []chatbox.AuditEntry, user string) (some []chatbox.AuditEntry) {
	for _, e := range all {
		if e.User == user {
			some = append(some, e)
		}
	}
	return some
}

// since is what lies on one side of a time: entries may share a millisecond.
func since(all []chatbox.AuditEntry, at time.Time, before bool) []int64 {
	out := []int64{}
	for _, e := range all {
		if e.Time.Before(at) == before {
			out = append(out, e.N)
		}
	}
	return out
}

// auditRace has two pods write one chain together.
func auditRace(t *testing.T, f StoreFixture) {
	t.Helper()
	tenant := unique("t-")
	pods := []Stores{f.Stores, f.Reopen(t, StoreKey())}
	const writers, each = 6, 10
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				err := pods[w%len(pods)].Audit.Record(t.Context(), admin(tenant, fmt.Sprint("a", w)), chatbox.AuditSessionRead,
					chatbox.AuditSubject{SessionID: fmt.Sprint("s", w, "-", i)})
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	all := audited(t, f.Stores, chatbox.AuditQuery{Tenant: tenant}, 7)
	require.Len(t, all, writers*each)
	seen := map[string]bool{}
	for i, e := range all {
		assert.EqualValues(t, writers*each-i, e.N, "dense")
		assert.False(t, seen[e.SessionID], "once each")
		seen[e.SessionID] = true
		if i > 0 {
			assert.False(t, e.Time.After(all[i-1].Time), "times do not go back")
		}
	}
	verdict, err := pods[1].Audit.Verify(t.Context(), tenant)
	require.NoError(t, err)
	assert.Equal(t, chatbox.AuditVerdict{Entries: writers * each, HeadHash: all[0].Hash}, verdict)
}

// auditCrowd lets many writers on several pods write one chain at once. Each entry
// is written, and no writer gets an error. A busy machine has a minute for
// an entry; on a quiet one all of them take a few seconds.
func auditCrowd(t *testing.T, f StoreFixture) {
	t.Helper()
	tenant := unique("t-")
	pods := []Stores{f.Stores}
	for range 7 {
		pods = append(pods, f.Reopen(t, StoreKey()))
	}
	const crowd, each = 64, 4
	began := time.Now()
	var wg sync.WaitGroup
	for i := range crowd {
		wg.Go(func() {
			for n := range each {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				err := pods[i%len(pods)].Audit.Record(ctx, admin(tenant, fmt.Sprint("a", i)), chatbox.AuditSessionTakeover,
					chatbox.AuditSubject{SessionID: fmt.Sprint("s", i, "-", n), UserID: "ada"})
				cancel()
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	t.Logf("%d entries by %d pods in %v", crowd*each, len(pods), time.Since(began).Round(time.Millisecond))
	all := audited(t, f.Stores, chatbox.AuditQuery{Tenant: tenant}, 100)
	require.Len(t, all, crowd*each)
	assert.EqualValues(t, crowd*each, all[0].N, "dense")
}

func auditTampering(t *testing.T, f StoreFixture) {
	t.Helper()
	for name, c := range map[string]struct {
		tamper func(tenant string)
		broken int64
	}{
		"untouched":      {func(string) {}, 0},
		"altered":        {func(tenant string) { f.AlterAudit(t, tenant, 3) }, 3},
		"first removed":  {func(tenant string) { f.RemoveAudit(t, tenant, 1) }, 1},
		"middle removed": {func(tenant string) { f.RemoveAudit(t, tenant, 4) }, 4},
		"last removed":   {func(tenant string) { f.RemoveAudit(t, tenant, 6) }, 6},
	} {
		tenant := unique("t-")
		for i := range 6 {
			err := f.Audit.Record(t.Context(), admin(tenant, "ada"), chatbox.AuditSessionRead, chatbox.AuditSubject{SessionID: fmt.Sprint("s", i)})
			require.NoError(t, err)
		}
		c.tamper(tenant)
		verdict, err := f.Reopen(t, StoreKey()).Audit.Verify(t.Context(), tenant)
		require.NoError(t, err, name)
		assert.Equal(t, c.broken, verdict.BrokenAt, name)
		assert.Equal(t, c.broken != 0, verdict.Why != "", name)
		if c.broken != 0 {
			assert.Equal(t, c.broken-1, verdict.Entries, name)
		}
	}
	tenant := unique("t-")
	require.NoError(t, f.Audit.Record(t.Context(), admin(tenant, "ada"), chatbox.AuditLogRead, chatbox.AuditSubject{}))
	verdict, err := f.Reopen(t, persistence.Key{ID: "first", Secret: [32]byte{1: 77}}).Audit.Verify(t.Context(), tenant)
	require.NoError(t, err)
	assert.EqualValues(t, 1, verdict.BrokenAt, "a chain that another key made is not ours")
	verdict, err = f.Audit.Verify(t.Context(), unique("t-"))
	require.NoError(t, err)
	assert.Equal(t, chatbox.AuditVerdict{}, verdict, "an empty log is whole")
}

func auditForgets(t *testing.T, f StoreFixture) {
	t.Helper()
	tenant := unique("t-")
	person := unique("secret-person-")
	read := func() {
		t.Helper()
		err := f.Audit.Record(t.Context(), admin(tenant, "ada"), chatbox.AuditSessionRead, chatbox.AuditSubject{SessionID: "s", UserID: person})
		require.NoError(t, err)
	}
	read()
	gone := chatbox.UserKey{Tenant: tenant, ID: person}
	require.NoError(t, f.Audit.Forget(t.Context(), gone))
	require.NoError(t, f.Audit.Forget(t.Context(), gone), "idempotent")
	read()
	all := audited(t, f.Stores, chatbox.AuditQuery{Tenant: tenant}, 9)
	require.Len(t, all, 2)
	assert.Empty(t, all[1].UserID)
	assert.NotEmpty(t, all[1].User, "the pseudonym stays")
	assert.Equal(t, "ada", all[1].ActorID)
	assert.NotEqual(t, all[1].User, all[0].User, "who comes back is somebody new")
	assert.Equal(t, person, all[0].UserID)
	verdict, err := f.Audit.Verify(t.Context(), tenant)
	require.NoError(t, err)
	assert.Zero(t, verdict.BrokenAt)
	assert.EqualValues(t, 2, verdict.Entries)
}
