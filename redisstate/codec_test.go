package redisstate

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"chatbox"
	"chatbox/cluster"
	"chatbox/persistence"
	"chatbox/test/fuzz"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func newCodec(tb testing.TB) *Client {
	tb.Helper()
	ring, err := persistence.NewKeyring([]persistence.Key{{ID: "k"}})
	require.NoError(tb, err)
	return &Client{seal: ring}
}

func TestCodec_SealedUpdatesComeBackWhole(t *testing.T) {
	c, s := newCodec(t), chatbox.SessionKey{Tenant: "t", ID: "s"}
	e := &chatbox.Event{Session: s, Seq: 7, Key: "k", Content: "a\x00<b>\u2028", Time: time.Unix(1, 0).UTC(), Type: "of a later version"}
	for _, u := range []cluster.Update{
		{Session: s, Owner: "o", Event: e},
		{Session: s, Owner: "o", Piece: &cluster.Piece{Gen: chatbox.Gen{Seq: 1, Run: 2}, Index: -1, Snapshot: true}},
		{Session: s, Owner: "o", Failure: &cluster.Failure{Code: chatbox.ModelFailed}},
		{Session: s, Owner: "o", Loading: &cluster.Loading{AnswerID: "a"}},
	} {
		box, err := c.sealUpdate(u)
		require.NoError(t, err)
		u.Head = 9
		got, err := c.decodeMessage(s, fmt.Sprint("9|", box))
		require.NoError(t, err)
		assert.Equal(t, u, got)
		_, err = c.openUpdate(chatbox.SessionKey{Tenant: "t", ID: "other"}, box)
		require.ErrorIs(t, err, persistence.ErrUndecipherable, "a box is bound to its session")
		require.Error(t, c.openJSON(s, boxFold, box, &chatbox.State{}), "and to what it is")
	}
	got, err := c.decodeMessage(s, "5|")
	require.NoError(t, err)
	assert.Equal(t, cluster.Update{Session: s, Head: 5, Notice: true}, got)
}

func TestCodec_UnknownFieldsAreIgnored(t *testing.T) {
	c, s := newCodec(t), chatbox.SessionKey{ID: "s"}
	box, err := c.sealJSON(s, boxUpdate, map[string]any{"owner": "o", "event": map[string]any{"seq": 3, "new": 1}, "newer": true})
	require.NoError(t, err)
	u, err := c.openUpdate(s, box)
	require.NoError(t, err)
	assert.EqualValues(t, 3, u.Event.Seq)
}

func FuzzDecodeMessage(f *testing.F) {
	c, s := newCodec(f), chatbox.SessionKey{ID: "s"}
	box, err := c.sealUpdate(cluster.Update{Session: s, Event: &chatbox.Event{Seq: 1}})
	require.NoError(f, err)
	for _, seed := range []string{"", "|", "1|", "1|x", "-1|", "1|" + box, box} {
		f.Add(seed)
	}
	fuzz.Run(f, func(t fuzz.T, payload string) {
		u, err := c.decodeMessage(s, payload)
		if err == nil {
			assert.Equal(t, s, u.Session)
			assert.Contains(t, payload, "|")
		}
		_, _ = c.decodeEntry(s, payload)
		_, _ = c.decodeOpen(s, payload, payload, payload, payload, []string{payload})
		_, _ = parseGen(payload)
		_, _ = parseMember(payload)
		_, _ = sessionOfChannel(payload)
	})
}

// FuzzOpenUpdate opens boxes that hold anything, as another version of the
// program might write them: what is read is sealed and read the same again.
func FuzzOpenUpdate(f *testing.F) {
	c, s := newCodec(f), chatbox.SessionKey{Tenant: "t", ID: "s"}
	e := &chatbox.Event{Session: s, Seq: 7, Key: "k", Content: "a\u2028", Metadata: map[string]string{"a": "b"}, Time: time.Unix(1, 0).UTC()}
	for _, u := range []cluster.Update{
		{Session: s, Owner: "o", Event: e},
		{Session: s, Owner: "o", Piece: &cluster.Piece{Gen: chatbox.Gen{Seq: 1, Run: 2}, Index: -1, Snapshot: true}},
		{Session: s, Owner: "o", Failure: &cluster.Failure{Code: chatbox.ModelFailed}},
		{Session: s, Owner: "o", Loading: &cluster.Loading{AnswerID: "a"}},
		{Session: s, Read: &cluster.Read{UserID: "u", Seq: 1}},
	} {
		plain, err := json.Marshal(u)
		require.NoError(f, err)
		f.Add(plain)
	}
	f.Add([]byte(`{"id":"a","reply_to":"m","model":"x","prompt":1,"completion":-1,"estimated":true}`))
	fuzz.Run(f, func(t fuzz.T, plain []byte) {
		box, err := c.seal.Seal(plain, s.Tenant, s.ID, boxUpdate)
		require.NoError(t, err)
		u, err := c.openUpdate(s, string(box))
		if err != nil {
			return
		}
		again, err := c.sealUpdate(u)
		require.NoError(t, err)
		same, err := c.openUpdate(s, again)
		require.NoError(t, err)
		require.Equal(t, u, same)
		_, _ = c.decodeEntry(s, "k\n"+string(box))
		open, err := c.decodeOpen(s, "1:1", "0", "0", string(plain), []string{string(box)})
		if err == nil {
			require.Equal(t, u.Piece.Content, open.Text)
		}
	})
}

func BenchmarkCodec(b *testing.B) {
	c, s := newCodec(b), chatbox.SessionKey{Tenant: "t", ID: "s"}
	for _, size := range []int{100, 4 << 10, 256 << 10} {
		u := cluster.Update{Session: s, Owner: "o", Event: &chatbox.Event{Session: s, Seq: 1, Content: strings.Repeat("x", size)}}
		box, err := c.sealUpdate(u)
		require.NoError(b, err)
		b.Run(fmt.Sprint("seal_", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.sealUpdate(u); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprint("open_", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.openUpdate(s, box); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
