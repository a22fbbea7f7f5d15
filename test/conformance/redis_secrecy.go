package conformance

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbox"
	"chatbox/cluster"
	"chatbox/helpdesk"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// wiretap keeps everything that is sent to Redis: what MONITOR would show.
type wiretap struct {
	mu   sync.Mutex // guards following
	sent []string
}

func (w *wiretap) hear(cmds ...redis.Cmder) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, cmd := range cmds {
		for _, arg := range cmd.Args() {
			switch a := arg.(type) {
			case []byte:
				w.sent = append(w.sent, string(a))
			default:
				w.sent = append(w.sent, fmt.Sprint(a))
			}
		}
	}
}

// DialHook passes on.
func (w *wiretap) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook listens.
func (w *wiretap) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		w.hear(cmd)
		return next(ctx, cmd)
	}
}

// ProcessPipelineHook listens.
func (w *wiretap) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		w.hear(cmds...)
		return next(ctx, cmds)
	}
}

// redisSecrecy writes a canary in every place in which people or models write, and
// searches everything sent, stored and published for it.
func redisSecrecy(t *testing.T, s RedisServer) {
	t.Helper()
	const canary = "cAnArY-wOrDs"
	k := newTalk(t, s, nil)
	tap := &wiretap{}
	k.rdb.AddHook(tap)
	k.say(k.note(canary))
	raw := k.rdb.PSubscribe(t.Context())
	if sharded(k.rdb) {
		require.NoError(t, raw.SSubscribe(t.Context(), k.channel()))
	} else {
		require.NoError(t, raw.PSubscribe(t.Context(), "cb:*"))
	}
	defer func() { _ = raw.Close() }()
	_, err := raw.Receive(t.Context())
	require.NoError(t, err)

	k.sayEverywhere(canary)
	require.NoError(t, k.c.NotifyStaff(t.Context(), helpdesk.Notice{Event: helpdesk.NoticeHelp, SessionID: "s-1", UserID: canary}))
	member := helpdesk.StaffMember{User: chatbox.UserKey{Tenant: k.key.ID, ID: "ada"}, Name: canary, Status: helpdesk.StaffAway}
	k.beat(member)
	require.Equal(t, canary, k.staffSays(member, helpdesk.StaffAway).Name)
	clean := func(where, what string) {
		t.Helper()
		assert.NotContains(t, what, canary, where)
		assert.NotContains(t, strings.ToLower(what), strings.ToLower(canary), where)
	}
	for _, arg := range tap.sent {
		clean("sent", arg)
	}
	require.Greater(t, len(tap.sent), 100)
	for _, value := range everything(t, k.rdb) {
		clean("stored", value)
	}
	for n := 0; ; n++ {
		m, err := raw.ReceiveMessage(t.Context())
		require.NoError(t, err)
		clean("published", m.Payload)
		if strings.HasPrefix(m.Payload, fmt.Sprint(k.state.Head, "|")) && m.Channel == k.channel() {
			assert.Greater(t, n, 8)
			return
		}
	}
}

// sayEverywhere writes the words in every place in which people or models write.
func (k *talk) sayEverywhere(canary string) {
	k.t.Helper()
	q := k.message(canary)
	q.Metadata = map[string]string{canary: canary}
	q.FileURL = "https://" + canary
	q.Files = []chatbox.AttachedFile{{ID: "f", Name: canary, ContentType: canary}}
	k.say(q)
	l := k.taken()
	o := k.stream(l, 0, canary, canary)
	p, o := add(o, canary)
	p.Snapshot, p.Content, o.Text = true, canary, canary
	require.NoError(k.t, k.c.Append(k.t.Context(), l, p))
	require.Equal(k.t, canary, k.read(0).Open.Text)
	k.say(k.final(o, chatbox.FinishStop))
	k.say(k.message(canary))
	require.NoError(k.t, k.c.Drop(k.t.Context(), k.taken(), &cluster.Failure{Message: canary}))
	k.say(k.message(canary))
	other := k.opening(k.taken(), 0)
	other.Text, other.Index = canary, 7
	res := k.publish(k.final(other, chatbox.FinishStop), func(p *cluster.Publication) { p.Supersede = 1 })
	require.Equal(k.t, cluster.OutcomeDone, res.Outcome)
	join := k.admin(chatbox.TypeAdminJoin)
	join.Metadata[chatbox.MetaAdminName] = canary
	k.say(join)
	require.Equal(k.t, canary, k.read(0).State.HolderName)
	require.NoError(k.t, k.c.PutTicket(k.t.Context(), canary+rand.Text(), chatbox.Actor{UserID: "u", Name: canary, Roles: []string{canary}}, time.Minute))
	ahead := k.state
	ahead.Head += 300
	require.NoError(k.t, k.c.Seed(k.t.Context(), cluster.Seed{Session: k.key, Owner: redisOwner, State: ahead}))
	k.state = ahead
	k.say(k.note(canary))
}

// everything reads every value of the database.
func everything(t *testing.T, rdb redis.UniversalClient) (values []string) {
	t.Helper()
	ctx := t.Context()
	keys := keysLike(t, rdb, "*")
	require.NotEmpty(t, keys)
	for _, key := range keys {
		values = append(values, key)
		typ, err := rdb.Type(ctx, key).Result()
		require.NoError(t, err)
		switch typ {
		case "string":
			values = append(values, rdb.Get(ctx, key).Val())
		case "hash":
			for f, v := range rdb.HGetAll(ctx, key).Val() {
				values = append(values, f, v)
			}
		case "list":
			values = append(values, rdb.LRange(ctx, key, 0, -1).Val()...)
		case "zset":
			values = append(values, rdb.ZRange(ctx, key, 0, -1).Val()...)
		case "none": // it has just aged out
		default:
			require.Fail(t, "a type that is not looked into", typ)
		}
	}
	return values
}
