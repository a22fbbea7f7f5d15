package conformance

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chatbox"
	"chatbox/cluster"
	"chatbox/persistence"
	"chatbox/redisstate"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// RedisServer is a Redis under test and what the suites do to it.
type RedisServer struct {
	// Dial makes a connection of its own to a database that only the suite
	// uses.
	Dial func(t *testing.T) redis.UniversalClient
	// Advance lets time pass on the server without waiting for it.
	Advance func(t *testing.T, d time.Duration)
	// Emulated is set where the server is none: what only a server does is not
	// asked for.
	Emulated bool
}

// RedisClient makes a client with the contract's values, altered by change.
func (s RedisServer) RedisClient(t *testing.T, change func(*redisstate.Config)) (*redisstate.Client, redis.UniversalClient) {
	t.Helper()
	cfg := redisstate.DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	rdb := s.Dial(t)
	c, err := redisstate.New(cfg, rdb, RedisSealer(t))
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c, rdb
}

// RedisSealer is a keyring as production has it.
func RedisSealer(tb testing.TB) *persistence.Keyring {
	tb.Helper()
	key := persistence.Key{ID: "k1"}
	copy(key.Secret[:], "a key that only tests have, 32 b")
	ring, err := persistence.NewKeyring([]persistence.Key{key})
	require.NoError(tb, err)
	return ring
}

// Redis is the contract of Log, Leases, Pieces, Schedule, Registry and Bus.
func Redis(t *testing.T, s RedisServer) {
	t.Helper()
	t.Run("Log", func(t *testing.T) { redisLog(t, s) })
	t.Run("Begin", func(t *testing.T) { redisBegin(t, s) })
	t.Run("Erase", func(t *testing.T) { redisErase(t, s) })
	t.Run("Leases", func(t *testing.T) { redisLeases(t, s) })
	t.Run("Lives", func(t *testing.T) { redisLives(t, s) })
	t.Run("Pieces", func(t *testing.T) { redisPieces(t, s) })
	t.Run("Schedule", func(t *testing.T) { redisSchedule(t, s) })
	t.Run("Registry", func(t *testing.T) { redisRegistry(t, s) })
	t.Run("Staff", func(t *testing.T) { redisStaff(t, s) })
	t.Run("Access", func(t *testing.T) { redisAccess(t, s) })
	t.Run("Bus", func(t *testing.T) { redisBus(t, s) })
	t.Run("Secrecy", func(t *testing.T) { redisSecrecy(t, s) })
	t.Run("RoundTrips", func(t *testing.T) { redisRoundTrips(t, s) })
	t.Run("Unreadable", func(t *testing.T) { redisUnreadable(t, s) })
	t.Run("Model", func(t *testing.T) { redisModel(t, s) })
}

// RoundTrips counts what a client sends one after the other: a command or a
// whole pipeline is one. It is a hook of go-redis.
type RoundTrips struct{ n atomic.Int64 }

// Of counts the round trips of f.
func (r *RoundTrips) Of(f func()) int64 {
	before := r.n.Load()
	f()
	return r.n.Load() - before
}

// DialHook passes on.
func (r *RoundTrips) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook counts a command.
func (r *RoundTrips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		r.n.Add(1)
		return next(ctx, cmd)
	}
}

// ProcessPipelineHook counts a pipeline as one.
func (r *RoundTrips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		r.n.Add(1)
		return next(ctx, cmds)
	}
}

// talk is one session under test, as a pod that appends to it sees it.
type talk struct {
	t     *testing.T
	srv   RedisServer
	c     *redisstate.Client
	rdb   redis.UniversalClient
	key   chatbox.SessionKey
	state chatbox.State
}

const redisOwner = "owner @ example"

func newTalk(t *testing.T, s RedisServer, change func(*redisstate.Config)) *talk {
	t.Helper()
	c, rdb := s.RedisClient(t, func(cfg *redisstate.Config) {
		cfg.CommandTimeout = 20 * time.Second // the emulator may share a busy processor; no test here is about the limit
		if change != nil {
			change(cfg)
		}
	})
	return &talk{t: t, srv: s, c: c, rdb: rdb, key: chatbox.SessionKey{Tenant: "t", ID: "s-" + rand.Text()}}
}

// again is another session over the same client.
func (k *talk) again() *talk {
	o := *k
	o.key.ID, o.state = "s-"+rand.Text(), chatbox.State{}
	return &o
}

func (k *talk) user() chatbox.UserKey { return chatbox.UserKey{Tenant: "t", ID: k.key.ID} }

// message is the user's next message; it wants an answer.
func (k *talk) message(content string) chatbox.Event {
	id := fmt.Sprint("m", k.state.Head+1)
	return chatbox.Event{
		Session: k.key, Seq: k.state.Head + 1, Key: chatbox.ClientKey(redisOwner, id), ID: id, Named: true,
		Type: chatbox.TypeUserMessage, Sender: chatbox.SenderUser, UserID: redisOwner, Owner: redisOwner,
		Content: content, Time: time.Unix(1700000000, 0).UTC(), Status: chatbox.StatusComplete,
		Turn: &chatbox.Turn{State: chatbox.TurnPending, Run: 1},
	}
}

// note is an event that wants no answer.
func (k *talk) note(content string) chatbox.Event {
	e := k.message(content)
	e.Turn = nil
	return e
}

func (k *talk) admin(typ chatbox.Type) chatbox.Event {
	e := k.note("")
	e.Type, e.Sender, e.UserID, e.Key = typ, chatbox.SenderAdmin, "admin", chatbox.ServerKey(rand.Text())
	e.Metadata = map[string]string{chatbox.MetaAdminID: "admin"}
	return e
}

// final is the end of an answer at its place.
func (k *talk) final(o cluster.OpenAnswer, f chatbox.Finish) chatbox.Event {
	e := k.note(o.Text)
	e.Type, e.Sender, e.UserID, e.Status, e.ID = chatbox.TypeAnswer, chatbox.SenderAI, "", f.Status(), o.AnswerID
	e.Key, e.Named = chatbox.AnswerKey(o.Gen.Seq, o.Gen.Run), false
	e.Answer = &chatbox.Answer{Gen: o.Gen, ReplyTo: o.ReplyTo, Attempt: o.Attempt, Index: o.Index, Finish: f}
	return e
}

// publish shows an event with its fold and tells how it went.
func (k *talk) publish(e chatbox.Event, change ...func(*cluster.Publication)) cluster.Published {
	k.t.Helper()
	p := cluster.Publication{Event: e, State: k.state.Apply(e), Fresh: e.Seq == 1}
	for _, f := range change {
		f(&p)
	}
	res, err := k.c.Publish(k.t.Context(), p)
	require.NoError(k.t, err)
	if res.Outcome == cluster.OutcomeDone {
		k.state = p.State
	}
	return res
}

// say publishes an event that must succeed, and returns it.
func (k *talk) say(e chatbox.Event) chatbox.Event {
	k.t.Helper()
	require.Equal(k.t, cluster.Published{Outcome: cluster.OutcomeDone, Head: e.Seq, Attempt: -1}, k.publish(e))
	return e
}

func (k *talk) read(after int64) cluster.Tail {
	k.t.Helper()
	tail, err := k.c.Read(k.t.Context(), k.key, after)
	require.NoError(k.t, err)
	return tail
}

func (k *talk) claim() cluster.Claim {
	k.t.Helper()
	c, err := k.c.Claim(k.t.Context(), k.key)
	require.NoError(k.t, err)
	return c
}

// taken claims what must be there to be claimed.
func (k *talk) taken() cluster.Lease {
	k.t.Helper()
	c := k.claim()
	require.Equal(k.t, cluster.ClaimTaken, c.Status)
	return c.Lease
}

// opening is the answer of a lease before any piece.
func (k *talk) opening(l cluster.Lease, attempt int) cluster.OpenAnswer {
	return cluster.OpenAnswer{
		AnswerID: chatbox.AnswerID(k.key, l.Gen.Seq, l.Gen.Run), Gen: l.Gen, ReplyTo: "m1", ModelID: "model",
		Attempt: attempt, Index: -1,
	}
}

// add makes the next piece of an answer and the answer with it.
func add(o cluster.OpenAnswer, text string) (cluster.Piece, cluster.OpenAnswer) {
	o.Index++
	o.Text += text
	return cluster.Piece{
		AnswerID: o.AnswerID, Gen: o.Gen, ReplyTo: o.ReplyTo, ModelID: o.ModelID,
		Attempt: o.Attempt, Index: o.Index, Content: text,
	}, o
}

// stream starts an answer and has pieces accepted.
func (k *talk) stream(l cluster.Lease, attempt int, pieces ...string) cluster.OpenAnswer {
	k.t.Helper()
	o := k.opening(l, attempt)
	require.NoError(k.t, k.c.Start(k.t.Context(), l, o))
	for _, text := range pieces {
		var p cluster.Piece
		p, o = add(o, text)
		require.NoError(k.t, k.c.Append(k.t.Context(), l, p))
	}
	return o
}

// find names the session's key of one kind, by the letter of the key table.
func (k *talk) find(kind string) string {
	k.t.Helper()
	for _, key := range keysLike(k.t, k.rdb, "cb:{*}:"+kind+":*") {
		if strings.HasSuffix(key, memberOf(k.key)) {
			return key
		}
	}
	return ""
}

// channel is where the session's updates are published; it must be seeded.
func (k *talk) channel() string {
	k.t.Helper()
	tag, _, ok := strings.Cut(k.find("s"), ":s:")
	require.True(k.t, ok)
	return tag + ":ch:" + memberOf(k.key)
}

func hasCode(t *testing.T, err error, code chatbox.Code) {
	t.Helper()
	require.ErrorIs(t, err, code)
}
