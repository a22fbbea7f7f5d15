package redisstate_test

import (
	"cmp"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"chatbox"
	"chatbox/cluster"
	"chatbox/helpdesk"
	"chatbox/redisstate"
	"chatbox/test/conformance"
	"chatbox/test/fuzz"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

const mostActs = 8 // of one execution

// FuzzScripts runs the scripts one after another with names and texts of any
// kind. None of them breaks, what was put in comes out again, and of another
// session nothing does.
func FuzzScripts(f *testing.F) {
	rdb := fuzzedRedis(f)
	c, err := redisstate.New(redisstate.DefaultConfig(), rdb, conformance.RedisSealer(f))
	require.NoError(f, err)
	f.Cleanup(func() { _ = c.Close() })

	for i := byte(0); int(i) < 2*len(acts()); i += mostActs {
		f.Add([]byte{i, i + 1, i + 2, i + 3, i + 4, i + 5, i + 6, i + 7}, "t", "ann", "hello")
	}
	f.Add([]byte{255, 0, 2, 2, 0, 2}, "", "a|b\n", "\x00|\r\n:@.")
	f.Add([]byte{5, 6, 7, 3, 9, 10}, "é.|", "@:r", "%d+ ] | 👋")
	fuzz.Run(f, func(t fuzz.T, plan []byte, tenant, user, text string) {
		require.NoError(t, rdb.FlushDB(t.Context()).Err())
		p := &play{TB: t, ctx: t.Context(), c: c, user: nameOf(user, chatbox.ValidUserID, "u"), text: strings.ToValidUTF8(text, "?")}
		for i, id := range []string{"a", "b"} {
			p.talks[i] = &scene{key: chatbox.SessionKey{Tenant: nameOf(tenant, chatbox.ValidTenant, ""), ID: id}}
		}
		all := acts()
		for _, b := range plan[:min(len(plan), mostActs)] {
			p.scene = p.talks[int(b)/len(all)%2]
			all[int(b)%len(all)](p)
		}
		for _, s := range p.talks {
			p.scene = s
			p.look()
		}
		if len(plan) > 0 && plan[0] > 240 { // rarely: it runs a script for each partition
			p.due()
		}
	})
}

// fuzzedRedis is the server that integration tests use, whose database is
// emptied, or else the emulator, which is much slower.
func fuzzedRedis(f *testing.F) *redis.Client {
	f.Helper()
	address := os.Getenv("CHATBOX_TEST_REDIS_URL")
	if address == "" {
		return redis.NewClient(newEmulator(f).options())
	}
	o, err := redis.ParseURL(address)
	require.NoError(f, err)
	o.DisableIdentity = true
	return redis.NewClient(o)
}

// nameOf makes a name that the edge lets pass.
func nameOf(s string, valid func(string) bool, instead string) string {
	s = strings.ToValidUTF8(s, "?")
	if !valid(s) {
		return instead
	}
	return s
}

// scene is one session as it should be.
type scene struct {
	key      chatbox.SessionKey
	state    chatbox.State
	events   []chatbox.Event
	reserved string
	read     int64
	lease    *cluster.Lease
	open     *cluster.OpenAnswer
}

// play is one execution.
type play struct {
	testing.TB
	*scene

	ctx        context.Context
	c          *redisstate.Client
	user, text string
	talks      [2]*scene
	counted    bool // a REST request of the user
}

func acts() []func(*play) {
	return []func(*play){
		(*play).post, (*play).skip, (*play).look, (*play).answer, (*play).finish, (*play).interrupt, (*play).reserve, (*play).readUp,
		(*play).staff, (*play).shown, (*play).ticket, (*play).watch, (*play).connect, (*play).withdraw, (*play).count, (*play).seed,
		(*play).erase, (*play).upload,
	}
}

// upload reserves and settles a file of the user's quota.
func (p *play) upload() {
	granted, _, err := p.c.ReserveFile(p.ctx, p.person(), p.text, p.text, 10, 1<<50, 1<<20)
	require.NoError(p, err)
	require.EqualValues(p, 10, granted)
	require.NoError(p, p.c.SettleFile(p.ctx, p.person(), p.text, p.text, 7))
}

func (p *play) person() chatbox.UserKey { return chatbox.UserKey{Tenant: p.key.Tenant, ID: p.user} }

func (p *play) event() chatbox.Event {
	seq := p.state.Head + 1
	return chatbox.Event{
		Session: p.key, Seq: seq, Key: chatbox.ClientKey(p.user, "m"), ID: "m", Type: chatbox.TypeUserMessage, UserID: p.user, Owner: p.user,
		Content: p.text, Metadata: map[string]string{p.text: p.user}, Time: time.Unix(seq, 0).UTC(), Status: chatbox.StatusComplete,
		Turn: &chatbox.Turn{State: chatbox.TurnPending, Run: 1},
	}
}

// post begins and publishes an event, or finds that it was there already.
func (p *play) post() {
	e := p.event()
	begun, err := p.c.Begin(p.ctx, cluster.Beginning{Session: p.key, Key: e.Key, User: p.person()})
	require.NoError(p, err)
	require.Equal(p, p.state.Head > 0, begun.Seeded)
	if i := p.last(e.Key); i >= 0 {
		require.NotNil(p, begun.Repeat)
		require.Equal(p, p.events[i], *begun.Repeat)
		return
	}
	require.Nil(p, begun.Repeat)
	p.publish(e, begun.Intent, nil)
}

func (p *play) last(key string) int {
	for i, e := range p.events {
		if e.Key == key {
			return i
		}
	}
	return -1
}

func (p *play) publish(e chatbox.Event, intent string, l *cluster.Lease) {
	st := p.state
	st.Head = e.Seq
	done, err := p.c.Publish(p.ctx, cluster.Publication{Event: e, State: st, Fresh: e.Seq == 1, Intent: intent, Lease: l})
	require.NoError(p, err)
	require.Equal(p, cluster.OutcomeDone, done.Outcome)
	p.state, p.events = st, append(p.events, e)
}

// skip publishes what is not next, which changes nothing.
func (p *play) skip() {
	e := p.event()
	e.Seq++
	done, err := p.c.Publish(p.ctx, cluster.Publication{Event: e, State: chatbox.State{Head: e.Seq}, Fresh: true})
	require.NoError(p, err)
	want := cluster.OutcomeGap
	if p.state.Head == 0 {
		want = cluster.OutcomeUnseeded
	}
	require.Equal(p, want, done.Outcome)
}

func (p *play) look() {
	tail, err := p.c.Read(p.ctx, p.key, 0)
	require.NoError(p, err)
	heads, err := p.c.Heads(p.ctx, []chatbox.SessionKey{p.key})
	require.NoError(p, err)
	require.Equal(p, p.reserved, tail.ReservedBy)
	require.Equal(p, p.state.Head > 0, tail.Seeded)
	if !tail.Seeded {
		require.EqualValues(p, -1, heads[0])
		return
	}
	require.Equal(p, p.state, tail.State)
	require.Equal(p, p.state.Head, heads[0])
	require.Len(p, tail.Events, len(p.events))
	for i := range p.events {
		require.Equal(p, p.events[i], tail.Events[i])
	}
	require.Equal(p, p.open, tail.Open)
	if p.read > 0 {
		require.Equal(p, []cluster.Read{{UserID: p.user, Sender: chatbox.SenderUser, Seq: p.read}}, tail.Reads)
	}
}

// answer claims the turn that is due and shows a piece.
func (p *play) answer() {
	if p.lease == nil {
		claim, err := p.c.Claim(p.ctx, p.key)
		require.NoError(p, err)
		if claim.Status != cluster.ClaimTaken {
			return
		}
		p.lease = &claim.Lease
		p.open = &cluster.OpenAnswer{AnswerID: p.user, Gen: claim.Lease.Gen, ReplyTo: "m", ModelID: p.text, Index: -1}
		require.NoError(p, p.c.Start(p.ctx, *p.lease, *p.open))
	}
	p.open.Index++
	p.open.Text += p.text
	require.NoError(p, p.c.Append(p.ctx, *p.lease, cluster.Piece{
		AnswerID: p.open.AnswerID, Gen: p.open.Gen, ReplyTo: p.open.ReplyTo, ModelID: p.open.ModelID, Index: p.open.Index, Content: p.text,
	}))
	require.NoError(p, p.c.Renew(p.ctx, *p.lease))
}

func (p *play) finish() {
	if p.lease == nil {
		return
	}
	e := p.event()
	e.Key, e.Type, e.Content, e.Turn = chatbox.AnswerKey(p.open.Gen.Seq, p.open.Gen.Run), chatbox.TypeAnswer, p.open.Text, nil
	e.Answer = &chatbox.Answer{Gen: p.open.Gen, Index: p.open.Index, ReplyTo: "m"}
	l := p.lease
	p.lease, p.open = nil, nil
	p.publish(e, "", l)
}

// interrupt revokes the lease of any holder.
func (p *play) interrupt() {
	_, open, err := p.c.Interrupt(p.ctx, p.key)
	require.NoError(p, err)
	require.Equal(p, p.open, open)
	if p.lease != nil {
		require.ErrorIs(p, p.c.Renew(p.ctx, *p.lease), chatbox.NotOwner)
	}
	require.NoError(p, p.c.Allow(p.ctx, p.key))
	p.lease = nil
}

func (p *play) reserve() {
	who, err := p.c.Reserve(p.ctx, p.key, p.user)
	require.NoError(p, err)
	require.Equal(p, p.user, who)
	other, err := p.c.Reserve(p.ctx, p.key, p.user+"2")
	require.NoError(p, err)
	require.Equal(p, p.user, other)
	p.reserved = p.user
}

func (p *play) readUp() {
	err := p.c.NoteRead(p.ctx, p.key, cluster.Read{UserID: p.user, Sender: chatbox.SenderUser, Seq: p.state.Head})
	if p.state.Head == 0 {
		require.ErrorIs(p, err, chatbox.NotFound)
		return
	}
	require.NoError(p, err)
	p.read = p.state.Head
}

func (p *play) staff() {
	m := helpdesk.StaffMember{User: p.person(), Name: p.text, Status: helpdesk.StaffAway}
	require.NoError(p, p.c.SayStaff(p.ctx, &m))
	beat := []helpdesk.StaffMember{{User: p.person(), Name: p.text, Status: helpdesk.StaffAvailable}}
	require.NoError(p, p.c.BeatStaff(p.ctx, beat))
	require.Equal(p, helpdesk.StaffAway, beat[0].Status)
	all, err := p.c.Staff(p.ctx, p.key.Tenant)
	require.NoError(p, err)
	require.Equal(p, beat, all)
}

// shown notes what a connection has received. A REST request of the
// same moment voids it.
func (p *play) shown() {
	sh := cluster.Shown{Session: p.key, UserID: p.user, Conn: "c1", Gen: chatbox.Gen{Seq: 1, Run: 1}, Bytes: len(p.text), Stage: cluster.ShownReceived}
	require.NoError(p, p.c.NoteShown(p.ctx, []cluster.Shown{sh}))
	got, err := p.c.TakeShown(p.ctx, p.key, p.user)
	require.NoError(p, err)
	if got == nil {
		require.True(p, p.counted)
		return
	}
	sh.Conn = ""
	require.Equal(p, &sh, got)
}

func (p *play) ticket() {
	a := chatbox.Actor{Tenant: p.key.Tenant, UserID: p.user, Name: p.text, Roles: []string{p.text}}
	require.NoError(p, p.c.PutTicket(p.ctx, p.text, a, time.Minute))
	got, err := p.c.TakeTicket(p.ctx, p.text)
	require.NoError(p, err)
	require.Equal(p, a, got)
	_, err = p.c.TakeTicket(p.ctx, p.text)
	require.ErrorIs(p, err, chatbox.NotFound)
}

func (p *play) watch() {
	require.NoError(p, p.c.Watch(p.ctx, p.key, p.user))
	watched, err := p.c.Watched(p.ctx, p.key)
	require.NoError(p, err)
	mine, err2 := p.c.Watches(p.ctx, p.key, p.user)
	require.NoError(p, err2)
	require.True(p, watched && mine)
	require.NoError(p, p.c.Unwatch(p.ctx, p.key, p.user))
}

func (p *play) connect() {
	id := chatbox.ConnID(cmp.Or(p.key.ID, "c"))
	require.NoError(p, p.c.Connect(p.ctx, p.person(), id))
	present, err := p.c.Present(p.ctx, []chatbox.UserKey{p.person(), {Tenant: p.key.Tenant, ID: p.user + "2"}})
	require.NoError(p, err)
	require.Equal(p, []bool{true, false}, present)
	require.NoError(p, p.c.Disconnect(p.ctx, p.person(), id))
}

func (p *play) withdraw() {
	w := chatbox.Withdrawal{User: p.person(), Before: time.UnixMilli(1_750_000_000_000).UTC(), Until: time.Now().Add(time.Hour)}
	require.NoError(p, p.c.Mark(p.ctx, w))
	before, err := p.c.MarkOf(p.ctx, p.person())
	require.NoError(p, err)
	require.Equal(p, w.Before, before)
	require.NoError(p, p.c.PublishBlock(p.ctx, p.person()))
}

func (p *play) count() {
	p.counted = true
	_, _, err := p.c.CountRequest(p.ctx, p.person(), 1)
	require.NoError(p, err)
	_, err = p.c.CountHelp(p.ctx, p.person(), chatbox.ClientKey(p.user, p.text))
	require.NoError(p, err)
}

// seed replaces what Redis has by what the history says, which is ahead.
func (p *play) seed() {
	st := p.state
	st.Head += 3
	require.NoError(p, p.c.Seed(p.ctx, cluster.Seed{Session: p.key, Owner: p.user, State: st}))
	reads := p.read
	*p.scene = scene{key: p.key, state: st, reserved: p.reserved, read: reads}
}

func (p *play) erase() {
	st := chatbox.State{Head: p.state.Head + 1, Ended: true}
	require.NoError(p, p.c.Erase(p.ctx, p.key, p.user, st))
	tail, err := p.c.Read(p.ctx, p.key, 0)
	require.NoError(p, err)
	require.Equal(p, st, tail.State)
	require.Empty(p, tail.Events)
	*p.scene = scene{key: chatbox.SessionKey{Tenant: p.key.Tenant, ID: p.key.ID + "x"}} // its id is burnt
}

// due sweeps, which gives sessions by their names only.
func (p *play) due() {
	turns, heal, err := p.c.Due(p.ctx)
	require.NoError(p, err)
	for _, s := range append(turns, heal...) {
		require.Equal(p, p.key.Tenant, s.Tenant)
	}
	_, err = p.c.Revive(p.ctx, []chatbox.PendingTurn{{Session: p.key, Gen: chatbox.Gen{Seq: 1, Run: 1}}})
	if err != nil && !errors.Is(err, chatbox.NotFound) {
		require.NoError(p, err)
	}
}
