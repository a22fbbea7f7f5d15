package conformance

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"

	"chatbox"
	"chatbox/helpdesk"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func blockOf(tenant, user string) helpdesk.Block {
	return helpdesk.Block{User: chatbox.UserKey{Tenant: tenant, ID: user}, At: epoch, By: "root"}
}

// allOf is who of the tenant is blocked, as pods read it.
func allOf(t *testing.T, f StoreFixture, tenant string, now time.Time) map[string]helpdesk.Block {
	t.Helper()
	require.NoError(t, f.Blocks.ForgetOver(t.Context(), now))
	all, err := f.Blocks.AllBlocks(t.Context())
	require.NoError(t, err)
	users := map[string]helpdesk.Block{}
	for _, b := range all {
		if b.User.Tenant == tenant {
			users[b.User.ID] = b
		}
	}
	return users
}

func blocksStand(t *testing.T, f StoreFixture) {
	t.Helper()
	tenant, canary := unique("t-"), unique("canary-")
	for _, until := range []time.Duration{0, time.Hour, time.Minute} {
		b := blockOf(tenant, fmt.Sprint("ü|$.x ", until))
		b.Reason = "  " + canary
		if until > 0 {
			b.Until = epoch.Add(until)
		}
		_, err := f.Blocks.BlockOf(t.Context(), b.User)
		require.ErrorIs(t, err, chatbox.NotFound)
		for range 2 {
			require.NoError(t, f.Blocks.PutBlock(t.Context(), b))
		}
		got, err := f.Blocks.BlockOf(t.Context(), b.User)
		require.NoError(t, err)
		assert.Equal(t, b, got)
		_, err = f.Blocks.BlockOf(t.Context(), chatbox.UserKey{Tenant: tenant + "x", ID: b.User.ID})
		require.ErrorIs(t, err, chatbox.NotFound, "of that name in another tenant")
	}
	assert.False(t, bytes.Contains(f.AtRest(t), []byte(canary)))
	names := func(now time.Time) []string {
		var out []string
		for _, until := range []time.Duration{0, time.Hour, time.Minute} {
			if b, ok := allOf(t, f, tenant, now)[fmt.Sprint("ü|$.x ", until)]; ok {
				assert.Empty(t, b.Reason, "pods need none")
				out = append(out, until.String())
			}
		}
		return out
	}
	assert.Equal(t, []string{"0s", "1h0m0s", "1m0s"}, names(epoch))
	assert.Equal(t, []string{"0s", "1h0m0s"}, names(epoch.Add(time.Minute)), "the moment itself is not in it")
	assert.Equal(t, []string{"0s", "1h0m0s"}, names(epoch), "what was over is forgotten")
	longer := blockOf(tenant, "ü|$.x 1h0m0s")
	require.NoError(t, f.Blocks.PutBlock(t.Context(), longer), "for ever, and without a reason")
	got, err := f.Blocks.BlockOf(t.Context(), longer.User)
	require.NoError(t, err)
	assert.Equal(t, longer, got)
	f.Stores = f.Reopen(t, StoreKey())
	assert.Equal(t, []string{"0s", "1h0m0s"}, names(epoch.Add(9*time.Hour)), "durably")
	for range 2 {
		require.NoError(t, f.Blocks.LiftBlock(t.Context(), longer.User))
	}
	assert.Equal(t, []string{"0s"}, names(epoch))
}

func blocksPage(t *testing.T, f StoreFixture) {
	t.Helper()
	tenant := unique("t-")
	for i := range 9 {
		b := blockOf(tenant, fmt.Sprint("u", i))
		if i%4 == 1 {
			b.Until = epoch.Add(time.Minute)
		}
		require.NoError(t, f.Blocks.PutBlock(t.Context(), b))
		require.NoError(t, f.Blocks.PutBlock(t.Context(), blockOf(tenant+"x", fmt.Sprint("u", i))))
	}
	q := helpdesk.BlockQuery{Tenant: tenant, Limit: 3, Now: epoch.Add(time.Minute)}
	var pages [][]string
	for {
		found, err := f.Blocks.PageBlocks(t.Context(), q)
		require.NoError(t, err)
		if len(found) == 0 {
			break
		}
		var page []string
		for _, b := range found {
			page = append(page, b.User.ID)
			q.After = b.User.ID
		}
		pages = append(pages, page)
	}
	assert.Equal(t, [][]string{{"u0", "u2", "u3"}, {"u4", "u6", "u7"}, {"u8"}}, pages)
}

func blocksForget(t *testing.T, f StoreFixture) {
	t.Helper()
	tenant := unique("t-")
	hers, his, later, elsewhere := blockOf(tenant, "ann"), blockOf(tenant, "bob"), blockOf(tenant, "eve"), blockOf(tenant+"x", "ann")
	his.By, his.Reason = "ann", "a reason"
	later.By, later.At = "ann", epoch.Add(time.Hour)
	for _, b := range []helpdesk.Block{hers, his, later, elsewhere} {
		require.NoError(t, f.Blocks.PutBlock(t.Context(), b))
	}
	for range 2 {
		require.NoError(t, f.Blocks.ForgetBlocks(t.Context(), hers.User, epoch.Add(time.Minute)))
	}
	_, err := f.Blocks.BlockOf(t.Context(), hers.User)
	require.ErrorIs(t, err, chatbox.NotFound)
	his.By = ""
	for _, want := range []helpdesk.Block{his, later, elsewhere} {
		got, err := f.Blocks.BlockOf(t.Context(), want.User)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	again := hers
	again.At = epoch.Add(time.Hour)
	require.NoError(t, f.Blocks.PutBlock(t.Context(), again))
	require.NoError(t, f.Blocks.ForgetBlocks(t.Context(), hers.User, epoch.Add(time.Minute)))
	got, err := f.Blocks.BlockOf(t.Context(), hers.User)
	require.NoError(t, err, "made since the person was erased")
	assert.Equal(t, again, got)
}

func blocksRace(t *testing.T, f StoreFixture) {
	t.Helper()
	pods := []Stores{f.Stores, f.Reopen(t, StoreKey())}
	b := blockOf(unique("t-"), "ann")
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			mine := b
			mine.By = fmt.Sprint("root-", i)
			if err := pods[i%2].Blocks.PutBlock(t.Context(), mine); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	assert.Len(t, allOf(t, f, b.User.Tenant, epoch), 1)
}

func blockParts() []storePart {
	return []storePart{
		{"Blocks/StandUntilTheyAreOver", blocksStand},
		{"Blocks/PagesByUser", blocksPage},
		{"Blocks/ForgottenWithThePerson", blocksForget},
		{"Blocks/RacesAreSettled", blocksRace},
	}
}
