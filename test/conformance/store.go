// Package conformance is the contracts of the ports as tests: each takes a
// factory, and every implementation passes the same ones.
package conformance

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/conversation"
	"chatbox/persistence"
)

// Stores is one store by its three ports.
type Stores struct {
	Messages conversation.MessageStore
	Sessions conversation.SessionStore
	Turns    conversation.TurnStore
}

// StoreFixture is a store under test and what only its keeper can do to it.
type StoreFixture struct {
	Stores
	// Reopen opens the same data a second time, under other keys.
	Reopen func(t *testing.T, keys ...persistence.Key) Stores
	// MoveBox overwrites the sealed part of the event at to with that of the
	// event at from.
	MoveBox func(t *testing.T, k chatbox.SessionKey, from, to int64)
	// AlterBox changes one bit of the event's sealed part.
	AlterBox func(t *testing.T, k chatbox.SessionKey, seq int64)
	// AtRest is all that is stored, byte for byte.
	AtRest func(t *testing.T) []byte
}

// StoreKey is the key under which open opens its fixture.
func StoreKey() persistence.Key {
	return persistence.Key{ID: "first", Secret: [32]byte{7: 1, 19: 200, 31: 9}}
}

// Store runs the contract. open is called once for each part; parts use
// tenants of their own, so they may share one database.
func Store(t *testing.T, open func(t *testing.T) StoreFixture) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(t *testing.T, f StoreFixture)
	}{
		{"Append/ReadsBackWhatWasWritten", appendReadsBack},
		{"Append/KeepsContentByteForByte", appendKeepsBytes},
		{"Append/RefusesATakenPlaceOrKey", appendClashes},
		{"Append/NeighboursDoNotFailEachOther", appendNeighbours},
		{"Append/RacingAppendersMakeOneDenseOrder", appendRace},
		{"Append/HonoursItsContext", appendContext},
		{"ByKey/FindsOnlyItsOwn", byKey},
		{"Range/ClosedBothWays", closedRange},
		{"Tenants/AreWalls", tenants},
		{"Secrecy/NothingReadableAtRest", secrecyAtRest},
		{"Secrecy/MovedOrAlteredIsAnError", secrecyMoved},
		{"Secrecy/WrongKeyIsAnErrorAndKeysRotate", secrecyKeys},
		{"Turns/ClaimsAreCounted", turnClaims},
		{"Turns/SettleByRun", turnSettle},
		{"Turns/PendingSweep", turnSweep},
		{"Sessions/OneOwnerOfARace", sessionRace},
		{"Sessions/ReadBackWhatWasWritten", sessionReadsBack},
		{"Sessions/TouchNeverGoesBack", sessionTouch},
		{"Sessions/Name", sessionName},
		{"Sessions/ListPages", sessionList},
		{"Sessions/ListOrderAndFilter", sessionListOrder},
		{"Sessions/ListRefuses", sessionListRefuses},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, open(t)) })
	}
}

// unique makes names that no other part or run uses.
func unique(prefix string) string { return prefix + strings.ToLower(ulid.Make().String()) }

func newKey() chatbox.SessionKey {
	return chatbox.SessionKey{Tenant: unique("t-"), ID: unique("s-")}
}

var epoch = time.UnixMilli(1_750_000_000_123).UTC() //nolint:gochecknoglobals // a constant that Go cannot spell

// said is a user's message at the place.
func said(k chatbox.SessionKey, seq int64, content string) chatbox.Event {
	id := fmt.Sprintf("m%d", seq)
	return chatbox.Event{
		Session: k, Seq: seq, Key: chatbox.ClientKey("u", id), ID: id, Named: true, Type: chatbox.TypeUserMessage,
		Sender: chatbox.SenderUser, UserID: "u", Owner: "u", Content: content,
		Time: epoch.Add(time.Duration(seq) * time.Millisecond), Status: chatbox.StatusComplete,
	}
}

func appendAll(t *testing.T, s Stores, events ...chatbox.Event) {
	t.Helper()
	for _, e := range events {
		require.NoError(t, s.Messages.Append(t.Context(), e))
	}
}

// fill appends n messages to the session, several sessions' worth at once
// being the caller's affair.
func fill(t *testing.T, s Stores, k chatbox.SessionKey, n int64) {
	t.Helper()
	for seq := int64(1); seq <= n; seq++ {
		require.NoError(t, s.Messages.Append(t.Context(), said(k, seq, fmt.Sprint("message ", seq))))
	}
}

func appendReadsBack(t *testing.T, f StoreFixture) {
	k := newKey()
	full := said(k, 1, "hello")
	full.ModelID, full.FileID, full.FileURL = "model", "file", "https://example.org/a?b=c"
	full.Metadata = map[string]string{"a": "1", "ünï": "😀", "empty": ""}
	full.Turn = &chatbox.Turn{State: chatbox.TurnPending, Run: 1}
	answer := chatbox.Event{
		Session: k, Seq: 2, Key: chatbox.AnswerKey(1, 1), ID: chatbox.AnswerID(k, 1, 1), Type: chatbox.TypeAnswer,
		Sender: chatbox.SenderAI, Owner: "u", Content: "partial", ModelID: "model", Status: chatbox.StatusFailed, Time: epoch,
		Answer: &chatbox.Answer{
			Gen: chatbox.Gen{Seq: 1, Run: 1}, ReplyTo: "m1", Attempt: 2, Index: 41, Finish: chatbox.FinishError,
			Code: chatbox.ModelTimeout, TokensPrompt: 11, TokensCompletion: 12, ResponseMillis: 1234,
		},
	}
	bare := chatbox.Event{Session: k, Seq: 3, Key: chatbox.ServerKey("x"), Type: "some_later_type", Time: epoch}
	early := said(k, 4, "")
	early.Time = time.Time{}
	appendAll(t, f.Stores, full, answer, bare, early)

	got, err := f.Messages.Range(t.Context(), k, 1, 4)
	require.NoError(t, err)
	assert.Equal(t, []chatbox.Event{full, answer, bare, early}, got)
	one, err := f.Messages.ByKey(t.Context(), k, answer.Key)
	require.NoError(t, err)
	assert.Equal(t, answer, one)

	odd := said(k, 5, "x")
	odd.Time = time.Date(2025, 6, 7, 8, 9, 10, 987_654_321, time.FixedZone("", 7200))
	appendAll(t, f.Stores, odd)
	one, err = f.Messages.ByKey(t.Context(), k, odd.Key)
	require.NoError(t, err)
	assert.Equal(t, time.Date(2025, 6, 7, 6, 9, 10, 987_000_000, time.UTC), one.Time, "milliseconds UTC")
}

func appendKeepsBytes(t *testing.T, f StoreFixture) {
	k := newKey()
	contents := []string{
		"  leading\n\tand trailing \r\n ", "👩‍👩‍👧‍👦 e\u0301 \u200d\u2028", "שלום עולם \u202b abc \u202c مرحبا",
		`<script>alert("&amp;")</script> {"$set": {"a.b": 1}} '; DROP TABLE messages; --`,
		strings.Repeat("é", 16<<10), strings.Repeat("a line of an answer\n", 13<<10), "",
	}
	for i, c := range contents {
		e := said(k, int64(i+1), c)
		if c == "" {
			e.Metadata = map[string]string{strings.Repeat("k", 64): strings.Repeat("ß", 500)}
		}
		appendAll(t, f.Stores, e)
		got, err := f.Messages.ByKey(t.Context(), k, e.Key)
		require.NoError(t, err)
		assert.True(t, c == got.Content, "content %d", i)
		assert.Equal(t, e.Metadata, got.Metadata)
	}
}

func appendClashes(t *testing.T, f StoreFixture) {
	k := newKey()
	first := said(k, 1, "first")
	appendAll(t, f.Stores, first)

	place := said(k, 1, "another")
	place.Key = chatbox.ClientKey("u", "other")
	key := said(k, 2, "another")
	key.Key = first.Key
	for name, e := range map[string]chatbox.Event{"the same": first, "its place": place, "its key": key} {
		require.ErrorIs(t, f.Messages.Append(t.Context(), e), chatbox.Clash, name)
	}
	got, err := f.Messages.Range(t.Context(), k, 1, 9)
	require.NoError(t, err)
	assert.Equal(t, []chatbox.Event{first}, got, "a clash writes nothing")

	other := newKey()
	other.Tenant = k.Tenant
	appendAll(t, f.Stores, said(other, 1, "first"))
}

func appendNeighbours(t *testing.T, f StoreFixture) {
	tenant := unique("t-")
	key := func(i int) chatbox.SessionKey { return chatbox.SessionKey{Tenant: tenant, ID: fmt.Sprint("s", i)} }
	const n = 128
	for i := 0; i < n; i += 2 {
		appendAll(t, f.Stores, said(key(i), 1, "before"))
	}
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { errs[i] = f.Messages.Append(t.Context(), said(key(i), 1, "now")) })
	}
	wg.Wait()
	for i, err := range errs {
		if i%2 == 0 {
			require.ErrorIs(t, err, chatbox.Clash)
		} else {
			require.NoError(t, err)
		}
		got, err := f.Messages.Range(t.Context(), key(i), 1, 2)
		require.NoError(t, err)
		require.Len(t, got, 1)
		assert.Equal(t, map[bool]string{true: "before", false: "now"}[i%2 == 0], got[0].Content)
	}
}

// appendRace is how pods append: at what they believe to be the head plus one,
// reading again after a clash.
func appendRace(t *testing.T, f StoreFixture) {
	k := newKey()
	const writers, each = 8, 20
	var wg sync.WaitGroup
	var mu sync.Mutex // guards following
	acked := map[string]int64{}
	for w := range writers {
		wg.Go(func() {
			head := int64(0)
			for i := range each {
				e := said(k, 0, fmt.Sprint(w, " ", i))
				e.Key = chatbox.ClientKey(fmt.Sprint("u", w), fmt.Sprint("m", i))
				for {
					e.Seq = head + 1
					err := f.Messages.Append(t.Context(), e)
					if err == nil {
						break
					}
					if !assert.ErrorIs(t, err, chatbox.Clash) {
						return
					}
					events, err := f.Messages.Range(t.Context(), k, head+1, head+64)
					if !assert.NoError(t, err) {
						return
					}
					head += int64(len(events))
				}
				head = e.Seq
				mu.Lock()
				acked[e.Key] = e.Seq
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	events, err := f.Messages.Range(t.Context(), k, 1, writers*each+10)
	require.NoError(t, err)
	require.Len(t, events, writers*each)
	for i, e := range events {
		assert.Equal(t, int64(i+1), e.Seq, "dense")
		assert.Equal(t, acked[e.Key], e.Seq, "where it was acknowledged")
	}
}

func appendContext(t *testing.T, f StoreFixture) {
	k := newKey()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, f.Messages.Append(ctx, said(k, 1, "x")), chatbox.StoreFailed)
	_, err := f.Messages.Range(ctx, k, 1, 1)
	require.ErrorIs(t, err, chatbox.StoreFailed)
	_, err = f.Messages.ByKey(ctx, k, "c:u:m1")
	require.ErrorIs(t, err, chatbox.StoreFailed)
	require.ErrorIs(t, f.Sessions.Touch(ctx, k, chatbox.State{Head: 1}), chatbox.StoreFailed)
}

func byKey(t *testing.T, f StoreFixture) {
	k := newKey()
	fill(t, f.Stores, k, 3)
	got, err := f.Messages.ByKey(t.Context(), k, chatbox.ClientKey("u", "m2"))
	require.NoError(t, err)
	assert.Equal(t, said(k, 2, "message 2"), got)
	for _, key := range []string{"", "c:u:m4", "C:U:M2", chatbox.AnswerKey(2, 1)} {
		_, err := f.Messages.ByKey(t.Context(), k, key)
		require.ErrorIs(t, err, chatbox.NotFound, key)
	}
	_, err = f.Messages.ByKey(t.Context(), newKey(), chatbox.ClientKey("u", "m2"))
	require.ErrorIs(t, err, chatbox.NotFound)
}

func closedRange(t *testing.T, f StoreFixture) {
	k := newKey()
	const n = 130
	fill(t, f.Stores, k, n)
	seqs := func(from, to int64) []int64 {
		t.Helper()
		events, err := f.Messages.Range(t.Context(), k, from, to)
		require.NoError(t, err)
		out := make([]int64, len(events))
		for i, e := range events {
			out[i] = e.Seq
		}
		return out
	}
	span := func(from, to int64) []int64 {
		out := []int64{}
		for s := from; s <= to; s++ {
			out = append(out, s)
		}
		return out
	}
	for from := int64(1); from <= n; from += 50 {
		assert.Equal(t, span(from, min(n, from+49)), seqs(from, from+49), "forwards")
	}
	for to := int64(n); to >= 1; to -= 37 {
		assert.Equal(t, span(max(1, to-36), to), seqs(to-36, to), "backwards")
	}
	assert.Equal(t, span(7, 7), seqs(7, 7))
	assert.Empty(t, seqs(8, 7))
	assert.Empty(t, seqs(n+1, n+64))
	assert.Empty(t, seqs(-5, 0))
}

func tenants(t *testing.T, f StoreFixture) {
	a := newKey()
	b, none := chatbox.SessionKey{Tenant: unique("t-"), ID: a.ID}, chatbox.SessionKey{ID: a.ID}
	for _, k := range []chatbox.SessionKey{a, b, none} {
		appendAll(t, f.Stores, said(k, 1, "in "+k.Tenant))
		_, created, err := f.Sessions.Create(t.Context(), chatbox.Session{Key: k, Owner: "u", CreatedAt: epoch})
		require.NoError(t, err)
		assert.True(t, created)
	}
	for _, k := range []chatbox.SessionKey{a, b, none} {
		events, err := f.Messages.Range(t.Context(), k, 1, 9)
		require.NoError(t, err)
		require.Len(t, events, 1)
		assert.Equal(t, "in "+k.Tenant, events[0].Content)
	}
	page, err := f.Sessions.List(t.Context(), chatbox.SessionQuery{User: chatbox.UserKey{Tenant: b.Tenant, ID: "u"}, Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Sessions, 1)
	assert.Equal(t, b, page.Sessions[0].Key)
	_, err = f.Sessions.Load(t.Context(), chatbox.SessionKey{Tenant: unique("t-"), ID: a.ID})
	require.ErrorIs(t, err, chatbox.NotFound)
}
