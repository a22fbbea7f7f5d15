package conversation_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chatbox"
	"chatbox/app/answer"
	"chatbox/app/conversation"
	"chatbox/app/sessionlog"
	"chatbox/cluster"
	"chatbox/helpdesk"
	"chatbox/internal/sleep"
	"chatbox/test/fakes"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	ada = chatbox.Actor{UserID: "ada", Name: "Ada"}
	mal = chatbox.Actor{UserID: "mal"}
	bob = chatbox.Actor{UserID: "bob", Name: "Bob", Roles: []string{"admin"}}
	eve = chatbox.Actor{UserID: "eve", Name: "Eve", Roles: []string{"admin"}}
)

// house is a conversation service over fakes, without sockets and models.
type house struct {
	t       *testing.T
	history *fakes.History
	redis   *fakes.Redis
	files   *fakes.Files
	log     *sessionlog.Log
	*conversation.Service
	here []helpdesk.StaffMember

	mu     sync.Mutex // guards following
	audit  []chatbox.AuditAction
	raised []chatbox.Event
	asked  map[string]int // for help, by user
}

func newHouse(t *testing.T) *house {
	t.Helper()
	redis := fakes.NewRedis()
	return houseOn(t, fakes.NewHistory(), redis, redis)
}

// houseOn is a house whose session log sees redis as hot.
func houseOn(t *testing.T, history *fakes.History, redis *fakes.Redis, hot sessionlog.Hot) *house {
	t.Helper()
	files := fakes.NewFiles()
	h := houseWith(t, history, redis, hot, files, nil)
	h.files = files
	return h
}

// houseWith is a house with these files; nil: without a file store. Without hot it
// sees redis itself.
func houseWith(t *testing.T, history *fakes.History, redis *fakes.Redis, hot sessionlog.Hot, files conversation.Files, fetches conversation.Fetches) *house {
	t.Helper()
	if hot == nil {
		hot = redis
	}
	h := &house{t: t, history: history, redis: redis, asked: map[string]int{}}
	logger := slog.New(slog.DiscardHandler)
	due := answer.NewQueue(answer.DefaultConfig())
	h.log = sessionlog.New(sessionlog.DefaultConfig(), sessionlog.Deps{
		Messages: h.history, Sessions: h.history, Turns: h.history, Hot: hot, Due: due, Observer: h, Logger: logger,
	})
	answers := answer.New(answer.DefaultConfig(), answer.Deps{
		Log: h.log, Due: due, Messages: h.history, Turns: h.history, Holdings: h.history, Leases: h.redis, Interrupts: h.redis,
		Pieces: fakes.Pieces{Redis: h.redis}, LLM: nil, Ephemerals: h.redis, Observer: h, Logger: logger,
	})
	h.Service = conversation.New(conversation.DefaultConfig(), conversation.Deps{
		Log: h.log, Answers: answers, Messages: h.history, Sessions: h.history, Audit: h, Alerts: h, HelpLimits: h, Files: files, Fetches: fetches, Ratings: h.history,
		Presence: h, Staff: h.redis, Colleagues: h, Ephemerals: h.redis, Observer: h, Logger: logger,
	})
	return h
}

func (*house) Healed(int)                                      {}
func (*house) PublishFailed()                                  {}
func (*house) FirstPiece(string, time.Duration, time.Duration) {}
func (*house) Spent(string, chatbox.Usage)                     {}
func (*house) ModelFailed(string, chatbox.Code)                {}
func (*house) Generation(string)                               {}
func (*house) Posted(time.Duration)                            {}

func (h *house) Record(_ context.Context, _ chatbox.Actor, action chatbox.AuditAction, _ chatbox.AuditSubject) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.audit = append(h.audit, action)
	return nil
}

func (h *house) Raise(e chatbox.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.raised = append(h.raised, e)
}

func (h *house) CountHelp(_ context.Context, u chatbox.UserKey, _ string) (time.Duration, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.asked[u.ID]++; h.asked[u.ID] > 5 {
		return time.Minute, nil
	}
	return 0, nil
}

// Present says that nobody is connected.
func (*house) Present(_ context.Context, users []chatbox.UserKey) ([]bool, error) {
	return make([]bool, len(users)), nil
}

func (h *house) Staff(context.Context, string) ([]helpdesk.StaffMember, error) { return h.here, nil }

func (h *house) say(a chatbox.Actor, session, id, text string) (chatbox.Event, error) {
	return h.PostMessage(h.t.Context(), a, chatbox.Command{Type: chatbox.TypeUserMessage, SessionID: session, ID: id, Content: text})
}

// types lists what the session's log has, in order.
func (h *house) types(session string) []chatbox.Type {
	var all []chatbox.Type
	for i, e := range h.history.Log(chatbox.SessionKey{ID: session}) {
		require.EqualValues(h.t, i+1, e.Seq, "the order has no holes")
		all = append(all, e.Type)
	}
	return all
}

func TestPost_TheFirstMessageCreatesTheSession(t *testing.T) {
	h := newHouse(t)
	e, err := h.say(ada, "s", "m1", "Where is my order?")
	require.NoError(t, err)
	assert.EqualValues(t, 1, e.Seq)
	sess, err := h.log.Owned(t.Context(), ada, "s")
	require.NoError(t, err)
	assert.Equal(t, "ada", sess.Owner)
	assert.Equal(t, "Where is my order?", sess.Name)
	assert.Equal(t, chatbox.TurnPending, e.Turn.State, "it wants an answer")
}

func TestPost_ARepeatIsTheFirstMessage(t *testing.T) {
	h := newHouse(t)
	first, err := h.say(ada, "s", "m1", "hello")
	require.NoError(t, err)
	again, err := h.say(ada, "s", "m1", "hello")
	require.NoError(t, err)
	assert.Equal(t, first.Seq, again.Seq)
	_, err = h.say(ada, "s", "m1", "something else")
	require.ErrorIs(t, err, chatbox.InvalidArgument, "an id names one message")
	assert.Len(t, h.types("s"), 1)
}

func TestPost_ARepeatAfterRedisWasEmptied(t *testing.T) {
	h := newHouse(t)
	_, err := h.say(ada, "s", "m1", "hello")
	require.NoError(t, err)
	h.redis.Flush()
	again, err := h.say(ada, "s", "m1", "hello")
	require.NoError(t, err)
	assert.EqualValues(t, 1, again.Seq)
	next, err := h.say(ada, "s", "m2", "and now?")
	require.NoError(t, err)
	assert.EqualValues(t, 2, next.Seq)
}

func TestPost_SomebodyElsesSessionIsRefused(t *testing.T) {
	h := newHouse(t)
	_, err := h.say(ada, "s", "m1", "hello")
	require.NoError(t, err)
	_, err = h.say(mal, "s", "x", "let me in")
	require.ErrorIs(t, err, chatbox.NotYours)
	_, err = h.say(bob, "s", "y", "I do not hold it")
	require.ErrorIs(t, err, chatbox.PermissionDenied)
	assert.Len(t, h.types("s"), 1)
}

func TestPost_AnOutageOfTheHistoryIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.history.Fail("Append", chatbox.NewError(chatbox.StoreFailed, "", nil))
		time.AfterFunc(3*time.Second, func() { h.history.Fail("Append", nil) })
		_, err := h.say(ada, "s", "m1", "hello")
		require.NoError(t, err)
		assert.Len(t, h.types("s"), 1)
		h.history.Fail("Append", chatbox.NewError(chatbox.StoreFailed, "", nil))
		began := time.Now()
		_, err = h.say(ada, "s", "m2", "hello?")
		require.ErrorIs(t, err, chatbox.StoreFailed)
		assert.LessOrEqual(t, time.Since(began), 11*time.Second, "a bounded wait")
	})
}

func TestEnd_NothingFollows(t *testing.T) {
	h := newHouse(t)
	_, err := h.say(ada, "s", "m1", "hello")
	require.NoError(t, err)
	require.ErrorIs(t, h.End(t.Context(), mal, "s"), chatbox.NotFound, "somebody else's looks unknown")
	require.NoError(t, h.End(t.Context(), ada, "s"))
	require.NoError(t, h.End(t.Context(), ada, "s"), "ending again has no effect")
	_, err = h.say(ada, "s", "m2", "wait")
	require.ErrorIs(t, err, chatbox.Ended)
	_, err = h.say(ada, "s", "m1", "hello")
	require.NoError(t, err, "a repeat is answered before anything else is judged")
	require.ErrorIs(t, h.TakeOver(t.Context(), bob, "s"), chatbox.Ended)
	assert.Equal(t, []chatbox.Type{chatbox.TypeUserMessage, chatbox.TypeSessionEnded}, h.types("s"))
}

func TestTakeOver_OneHolder(t *testing.T) {
	h := newHouse(t)
	_, err := h.say(ada, "s", "m1", "hello")
	require.NoError(t, err)
	require.ErrorIs(t, h.TakeOver(t.Context(), mal, "s"), chatbox.PermissionDenied)
	require.ErrorIs(t, h.TakeOver(t.Context(), bob, "unknown"), chatbox.NotFound)
	require.NoError(t, h.TakeOver(t.Context(), bob, "s"))
	require.NoError(t, h.TakeOver(t.Context(), bob, "s"), "the holder has it already")
	err = h.TakeOver(t.Context(), eve, "s")
	require.ErrorIs(t, err, chatbox.TakenOver)
	var refusal *chatbox.Error
	require.ErrorAs(t, err, &refusal)
	assert.Equal(t, "bob", refusal.Metadata[chatbox.MetaAdminID], "the refusal names the holder")
	assert.Equal(t, []chatbox.Type{chatbox.TypeUserMessage, chatbox.TypeAdminJoin}, h.types("s"))
	assert.Contains(t, h.audit, chatbox.AuditSessionTakeover)
}

func TestTakeOver_ARaceHasOneWinner(t *testing.T) {
	h := newHouse(t)
	_, err := h.say(ada, "s", "m1", "hello")
	require.NoError(t, err)
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for i, a := range []chatbox.Actor{bob, eve} {
		wg.Go(func() { errs[i] = h.TakeOver(t.Context(), a, "s") })
	}
	wg.Wait()
	if errs[0] == nil {
		require.ErrorIs(t, errs[1], chatbox.TakenOver)
	} else {
		require.NoError(t, errs[1])
		require.ErrorIs(t, errs[0], chatbox.TakenOver)
	}
	assert.Len(t, h.types("s"), 2)
}

func TestHolder_SpeaksAsStaffAndHandsBack(t *testing.T) {
	h := newHouse(t)
	_, err := h.say(ada, "s", "m1", "hello")
	require.NoError(t, err)
	require.NoError(t, h.TakeOver(t.Context(), bob, "s"))
	e, err := h.PostAsHolder(t.Context(), bob, chatbox.Command{
		Type: chatbox.TypeUserMessage, SessionID: "s", ID: "b1", Content: "hi", Metadata: map[string]string{chatbox.MetaAdminID: "eve"},
	})
	require.NoError(t, err)
	assert.Equal(t, chatbox.SenderAdmin, e.Sender)
	assert.Equal(t, "bob", e.Metadata[chatbox.MetaAdminID], "whatever the client claims")
	assert.Nil(t, e.Turn, "the model does not answer staff")
	_, err = h.PostAsHolder(t.Context(), eve, chatbox.Command{Type: chatbox.TypeUserMessage, SessionID: "s", ID: "e1", Content: "hi"})
	require.ErrorIs(t, err, chatbox.PermissionDenied)
	require.ErrorIs(t, h.HandBack(t.Context(), eve, "s"), chatbox.PermissionDenied)
	require.NoError(t, h.HandBack(t.Context(), bob, "s"))
	require.ErrorIs(t, h.HandBack(t.Context(), bob, "s"), chatbox.PermissionDenied)
	assert.Equal(t, []chatbox.Type{chatbox.TypeUserMessage, chatbox.TypeAdminJoin, chatbox.TypeUserMessage, chatbox.TypeAdminLeave}, h.types("s"))
	asked := h.redis.Ephemerals()
	require.Len(t, asked, 1, "the owner is asked for a rating")
	assert.Equal(t, cluster.NotificationRating, asked[0].Notification.Event)
}

func TestTransfer_GoesToAConnectedColleague(t *testing.T) {
	h := newHouse(t)
	_, err := h.say(ada, "s", "m1", "hello")
	require.NoError(t, err)
	require.NoError(t, h.TakeOver(t.Context(), bob, "s"))
	require.ErrorIs(t, h.Transfer(t.Context(), bob, "s", "bob", ""), chatbox.InvalidArgument)
	require.ErrorIs(t, h.Transfer(t.Context(), bob, "s", "eve", ""), chatbox.NotFound, "the colleague is not connected")
	h.here = []helpdesk.StaffMember{{User: eve.User(), Name: "Eve"}}
	require.ErrorIs(t, h.Transfer(t.Context(), eve, "s", "bob", ""), chatbox.NotFound)
	require.NoError(t, h.Transfer(t.Context(), bob, "s", "eve", ""))
	require.ErrorIs(t, h.HandBack(t.Context(), bob, "s"), chatbox.PermissionDenied)
	require.NoError(t, h.HandBack(t.Context(), eve, "s"))
}

func TestRate_TheNewestTalkOnce(t *testing.T) {
	h := newHouse(t)
	_, err := h.say(ada, "s", "m1", "hello")
	require.NoError(t, err)
	_, err = h.Rate(t.Context(), ada, "s", 5, "")
	require.ErrorIs(t, err, chatbox.NotFound, "there was no talk with a person")
	require.NoError(t, h.TakeOver(t.Context(), bob, "s"))
	_, err = h.PostAsHolder(t.Context(), bob, chatbox.Command{Type: chatbox.TypeUserMessage, SessionID: "s", ID: "b1", Content: "hi"})
	require.NoError(t, err)
	require.NoError(t, h.HandBack(t.Context(), bob, "s"))
	_, err = h.Rate(t.Context(), ada, "s", 6, "")
	require.ErrorIs(t, err, chatbox.InvalidArgument)
	r, err := h.Rate(t.Context(), ada, "s", 5, "quick")
	require.NoError(t, err)
	assert.Equal(t, "bob", r.AdminID)
	_, err = h.Rate(t.Context(), ada, "s", 5, "quick")
	require.NoError(t, err)
	assert.Len(t, h.redis.Notices(), 1, "a repeat is not told again")
}

// Messages to a person want no answer while that person may reply, so a sweep of
// pending turns does not read them, however many there are.
func TestGrace_AMessageToAPersonIsAnsweredOnlyIfThePersonDisappears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.takenOver(t)
		for _, id := range []string{"m2", "m3"} {
			e, err := h.say(ada, "s", id, "are you there?")
			require.NoError(t, err)
			assert.Equal(t, chatbox.TurnHeld, e.Turn.State)
		}
		h.untilLeft(t)
		log := h.history.Log(chatbox.SessionKey{ID: "s"})
		assert.Equal(t, chatbox.TurnHeld, log[2].Turn.State)
		assert.Equal(t, chatbox.TurnPending, log[3].Turn.State, "the last message is answered")
		assert.Equal(t, []chatbox.Gen{{Seq: 4, Run: 2}}, h.redis.Turns(chatbox.SessionKey{ID: "s"}))
	})
}

// speaksBetween lets the user speak through another pod just before the pod's
// automatic leave is appended.
type speaksBetween struct {
	*fakes.Redis

	speak func()
	once  sync.Once
}

func (s *speaksBetween) Begin(ctx context.Context, b cluster.Beginning) (cluster.Begun, error) {
	s.once.Do(s.speak)
	return s.Redis.Begin(ctx, b)
}

func TestGrace_AMessageDuringTheLeaveIsAnsweredToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := newHouse(t)
		other.takenOver(t)
		pod := houseOn(t, other.history, other.redis, &speaksBetween{Redis: other.redis, speak: func() {
			_, err := other.say(ada, "s", "m2", "are you there?")
			require.NoError(t, err)
		}})
		pod.untilLeft(t)
		log := pod.history.Log(chatbox.SessionKey{ID: "s"})
		require.Equal(t, "m2", log[2].ID)
		assert.Equal(t, chatbox.TurnPending, log[2].Turn.State)
	})
}

// takenOver makes bob the holder of ada's session.
func (h *house) takenOver(t *testing.T) {
	t.Helper()
	_, err := h.say(ada, "s", "m1", "hello")
	require.NoError(t, err)
	require.NoError(t, h.TakeOver(t.Context(), bob, "s"))
}

// untilLeft runs the service until the absent holder has lost the session.
func (h *house) untilLeft(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); h.Run(ctx) }()
	for !slices.Contains(h.types("s"), chatbox.TypeAdminLeave) {
		sleep.For(ctx, time.Second)
	}
	synctest.Wait()
	cancel()
	<-done
}
