package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbox"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func appendReadsBack(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	full := said(k, 1, "hello")
	full.ModelID, full.FileID, full.FileURL = "model", "file", "https://example.org/a?b=c"
	full.Metadata = map[string]string{"a": "1", "ünï": "😀", "empty": ""}
	full.Files = []chatbox.AttachedFile{
		{ID: "file", Name: "a \"b\" é.png", ContentType: "image/png", Size: 5 << 30, Width: 3, Height: 4}, {ID: "g", Duration: 1500 * time.Millisecond},
	}
	full.Turn = &chatbox.Turn{State: chatbox.TurnPending, Run: 1}
	answer := chatbox.Event{
		Session: k, Seq: 2, Key: chatbox.AnswerKey(1, 1), ID: chatbox.AnswerID(k, 1, 1), Type: chatbox.TypeAnswer,
		Sender: chatbox.SenderAI, Owner: "u", Content: "partial", ModelID: "model", Status: chatbox.StatusFailed, Time: epoch,
		Answer: &chatbox.Answer{
			Gen: chatbox.Gen{Seq: 1, Run: 1}, ReplyTo: "m1", Attempt: 2, Index: 41, Finish: chatbox.FinishError,
			Code: chatbox.ModelTimeout, Why: "The model is busy.", RetryAfter: 2 * time.Minute,
			TokensPrompt: 11, TokensCompletion: 12, TokensEstimated: true, ResponseMillis: 1234,
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
	t.Helper()
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
		assert.Equal(t, c, got.Content, "content %d", i)
		assert.Equal(t, e.Metadata, got.Metadata)
	}
}

func appendClashes(t *testing.T, f StoreFixture) {
	t.Helper()
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
	t.Helper()
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
	t.Helper()
	k := newKey()
	const writers, each = 8, 20
	pods := []Stores{f.Stores, f.Reopen(t, StoreKey()), f.Reopen(t, StoreKey()), f.Reopen(t, StoreKey())}
	var wg sync.WaitGroup
	var mu sync.Mutex // guards following
	acked := map[string]int64{}
	for w := range writers {
		wg.Go(func() {
			head := int64(0)
			for i := range each {
				e := said(k, 0, fmt.Sprint(w, " ", i))
				e.Key = chatbox.ClientKey(fmt.Sprint("u", w), fmt.Sprint("m", i))
				seq, err := appendAfter(t, pods[w%len(pods)], e, head)
				if err != nil {
					t.Error(err)
					return
				}
				head = seq
				mu.Lock()
				acked[e.Key] = seq
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

// appendAfter appends the event behind what is there and returns its place.
func appendAfter(t *testing.T, s Stores, e chatbox.Event, head int64) (int64, error) {
	t.Helper()
	for {
		e.Seq = head + 1
		err := s.Messages.Append(t.Context(), e)
		if err == nil {
			return e.Seq, nil
		}
		if !errors.Is(err, chatbox.Clash) {
			return 0, err
		}
		events, err := s.Messages.Range(t.Context(), e.Session, head+1, head+64)
		if err != nil {
			return 0, err
		}
		head += int64(len(events))
	}
}

// appendRepeats is one frame that arrives on several pods at once; half of them
// believe in another head.
func appendRepeats(t *testing.T, f StoreFixture) {
	t.Helper()
	pods := []Stores{f.Stores, f.Reopen(t, StoreKey()), f.Reopen(t, StoreKey())}
	for range 5 {
		k := newKey()
		var wg sync.WaitGroup
		errs := make([]error, 2*len(pods))
		for i := range errs {
			e := said(k, 1, "hello")
			e.Seq += int64(i % 2)
			wg.Go(func() { errs[i] = pods[i/2].Messages.Append(t.Context(), e) })
		}
		wg.Wait()
		made := 0
		for _, err := range errs {
			if err == nil {
				made++
			} else {
				require.ErrorIs(t, err, chatbox.Clash)
			}
		}
		assert.Equal(t, 1, made)
		events, err := f.Messages.Range(t.Context(), k, 1, 64)
		require.NoError(t, err)
		assert.Len(t, events, 1)
	}
}

func appendContext(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, f.Messages.Append(ctx, said(k, 1, "x")), chatbox.StoreFailed)
	_, err := f.Messages.Range(ctx, k, 1, 1)
	require.ErrorIs(t, err, chatbox.StoreFailed)
	_, err = f.Messages.ByKey(ctx, k, "c:u:m1")
	require.ErrorIs(t, err, chatbox.StoreFailed)
	require.ErrorIs(t, f.Sessions.SaveState(ctx, k, chatbox.State{Head: 1}), chatbox.StoreFailed)
}
