package answer

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"chatbox"
	"chatbox/app/sessionlog"
	"chatbox/internal/sleep"
	"chatbox/test/fakes"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// desk is a service over fakes; model is what it answers with.
type desk struct {
	*Service

	history  *fakes.History
	redis    *fakes.Redis
	log      *sessionlog.Log
	outcomes []string
	spent    []chatbox.Usage
	failures []string // model and code
	prompts  []chatbox.Prompt
	sees     bool
	budget   int // 0: 24,000
	model    func(ctx context.Context, yield func(chatbox.Delta, error) bool)
}

func newDesk(t *testing.T, model func(ctx context.Context, yield func(chatbox.Delta, error) bool)) *desk {
	t.Helper()
	d := &desk{history: fakes.NewHistory(), redis: fakes.NewRedis(), model: model}
	logger, due := slog.New(slog.DiscardHandler), NewQueue(DefaultConfig())
	d.log = sessionlog.New(sessionlog.DefaultConfig(), sessionlog.Deps{
		Messages: d.history, Sessions: d.history, Turns: d.history, Hot: d.redis, Due: due, Observer: d, Logger: logger,
	})
	d.Service = New(DefaultConfig(), Deps{
		Log: d.log, Due: due, Messages: d.history, Turns: d.history, Holdings: d.history, Leases: d.redis, Interrupts: d.redis,
		Pieces: fakes.Pieces{Redis: d.redis}, LLM: d, Ephemerals: d.redis, Observer: d, Logger: logger,
	})
	due.Open(t.Context(), func(context.Context, chatbox.SessionKey) error { return nil }) // tests call reply themselves
	t.Cleanup(due.Close)
	return d
}

func (*desk) Healed(int)                        {}
func (*desk) PublishFailed()                    {}
func (d *desk) Spent(_ string, u chatbox.Usage) { d.spent = append(d.spent, u) }
func (d *desk) ModelFailed(model string, code chatbox.Code) {
	d.failures = append(d.failures, model+" "+string(code))
}
func (*desk) FirstPiece(string, time.Duration, time.Duration) {}
func (d *desk) Generation(how string)                         { d.outcomes = append(d.outcomes, how) }
func (*desk) Models() []chatbox.Model                         { return []chatbox.Model{{ID: "m"}} }
func (*desk) Default() string                                 { return "m" }
func (*desk) Continues(string) bool                           { return false }
func (d *desk) Sees(string) bool                              { return d.sees }
func (d *desk) Budget(string) int                             { return cmp.Or(d.budget, 24_000) }
func (d *desk) last() chatbox.Event                           { l := d.history.Log(session); return l[len(l)-1] }
func (d *desk) count(t chatbox.Type) int                      { return len(d.of(t)) }

func (d *desk) of(t chatbox.Type) (found []chatbox.Event) {
	for _, e := range d.history.Log(session) {
		if e.Type == t {
			found = append(found, e)
		}
	}
	return found
}

func (d *desk) Stream(ctx context.Context, p chatbox.Prompt) iter.Seq2[chatbox.Delta, error] {
	d.prompts = append(d.prompts, p)
	return func(yield func(chatbox.Delta, error) bool) { d.model(ctx, yield) }
}

var session = chatbox.SessionKey{ID: "s"}

// ask appends a user's message that wants an answer.
func (d *desk) ask(t *testing.T, id, text string) {
	t.Helper()
	_, err := d.append(t, id, chatbox.Event{
		ID: id, Type: chatbox.TypeUserMessage, Sender: chatbox.SenderUser, UserID: "ada", Content: text,
		Turn: &chatbox.Turn{State: chatbox.TurnPending, Run: 1},
	})
	require.NoError(t, err)
}

// askWith appends a user's message with files.
func (d *desk) askWith(t *testing.T, id, text string, files ...chatbox.AttachedFile) {
	t.Helper()
	_, err := d.append(t, id, chatbox.Event{
		ID: id, Type: chatbox.TypeUserMessage, Sender: chatbox.SenderUser, UserID: "ada", Content: text, Files: files,
		Turn: &chatbox.Turn{State: chatbox.TurnPending, Run: 1},
	})
	require.NoError(t, err)
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func (d *desk) append(t *testing.T, key string, e chatbox.Event) (sessionlog.Appended, error) {
	t.Helper()
	return d.log.Append(t.Context(), draft(key, e))
}

func draft(key string, e chatbox.Event) sessionlog.Draft {
	return sessionlog.Draft{
		Session: session, Key: key,
		Create: func() chatbox.Session { return chatbox.Session{Key: session, Owner: "ada"} },
		Decide: func(sessionlog.Basis) (chatbox.Event, error) { return e, nil },
	}
}

func join() chatbox.Event {
	return chatbox.Event{Type: chatbox.TypeAdminJoin, Sender: chatbox.SenderSystem, Metadata: map[string]string{chatbox.MetaAdminID: "bob"}}
}

func says(words ...string) func(context.Context, func(chatbox.Delta, error) bool) {
	return func(_ context.Context, yield func(chatbox.Delta, error) bool) {
		for _, w := range words {
			if !yield(chatbox.Delta{Text: w}, nil) {
				return
			}
		}
		yield(chatbox.Delta{Finish: chatbox.FinishStop}, nil)
	}
}

func TestReply_OneFinalForEachMessageInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, says("Hello", " you"))
		d.ask(t, "m1", "hi")
		d.ask(t, "m2", "and?")
		require.NoError(t, d.reply(t.Context(), session))
		require.NoError(t, d.reply(t.Context(), session), "nothing is left to answer")
		finals := d.of(chatbox.TypeAnswer)
		require.Len(t, finals, 2)
		for i, e := range finals {
			assert.Equal(t, "Hello you", e.Content)
			assert.EqualValues(t, i+1, e.Answer.Gen.Seq)
			assert.Equal(t, chatbox.StatusComplete, e.Status)
		}
		assert.Equal(t, []string{"stop", "stop"}, d.outcomes)
	})
}

// slowSettling settles turns after two seconds, unless its context ends.
type slowSettling struct{ *fakes.History }

func (s slowSettling) SettleTurn(ctx context.Context, k chatbox.SessionKey, g chatbox.Gen, to chatbox.TurnState) error {
	if !sleep.For(ctx, 2*time.Second) {
		return ctx.Err()
	}
	return s.History.SettleTurn(ctx, k, g, to)
}

// The final gives the lease back, and the renewer finds it gone while the turn is
// being settled.
func TestReply_TheEndOfItsLeaseDoesNotStopTheSettling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, says("Hello"))
		d.deps.Turns = slowSettling{d.history}
		d.ask(t, "m1", "hi")
		require.NoError(t, d.reply(t.Context(), session))
		assert.Equal(t, chatbox.TurnDone, d.of(chatbox.TypeUserMessage)[0].Turn.State)
	})
}

func TestReply_AnErrorAfterWordsKeepsThemAsAFailedAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, func(_ context.Context, yield func(chatbox.Delta, error) bool) {
			_ = yield(chatbox.Delta{Text: "Hel"}, nil) && yield(chatbox.Delta{}, errors.New("cut off"))
		})
		d.ask(t, "m1", "hi")
		require.NoError(t, d.reply(t.Context(), session))
		assert.Equal(t, "Hel", d.last().Content)
		assert.Equal(t, chatbox.StatusFailed, d.last().Status)
		assert.Equal(t, chatbox.FinishError, d.last().Answer.Finish)
	})
}

func TestReply_AStreamWithoutAnEndIsNoSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, func(_ context.Context, yield func(chatbox.Delta, error) bool) {
			yield(chatbox.Delta{Text: "Hello"}, nil)
		})
		d.ask(t, "m1", "hi")
		require.NoError(t, d.reply(t.Context(), session))
		assert.Equal(t, chatbox.StatusFailed, d.last().Status)
	})
}

func TestReply_AFailureBeforeAnyWordLeavesNothingInTheHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, func(_ context.Context, yield func(chatbox.Delta, error) bool) {
			yield(chatbox.Delta{}, errors.New("away"))
		})
		d.ask(t, "m1", "hi")
		require.NoError(t, d.reply(t.Context(), session))
		assert.Zero(t, d.count(chatbox.TypeAnswer))
		told := d.redis.Ephemerals()
		require.Len(t, told, 1)
		assert.Equal(t, "m1", told[0].Failure.ReplyTo)
	})
}

func TestRetry_AnswersAFailedMessageAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, func(_ context.Context, yield func(chatbox.Delta, error) bool) {
			yield(chatbox.Delta{}, errors.New("away"))
		})
		d.ask(t, "m1", "hi")
		require.NoError(t, d.reply(t.Context(), session))
		st := func() chatbox.State {
			sess, err := d.log.Load(t.Context(), session)
			require.NoError(t, err)
			return sess.State
		}
		d.model = says("Hello")
		require.NoError(t, d.Retry(t.Context(), session, st()))
		require.NoError(t, d.reply(t.Context(), session))
		assert.Equal(t, "Hello", d.last().Content)
		assert.Equal(t, 2, d.last().Answer.Gen.Run)
		require.ErrorIs(t, d.Retry(t.Context(), session, st()), chatbox.NotFound, "a complete answer is not retried")
	})
}

// A message to a person is retried only if that person disappeared. A pod of an
// older version, which does not know such turns, may have left it behind.
func TestRetry_OfAMessageToAPerson(t *testing.T) {
	for name, c := range map[string]struct {
		automatic string
		answered  bool
	}{"handed back": {"", false}, "disappeared": {"true", true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, says("Hello"))
				d.ask(t, "m1", "hi")
				require.NoError(t, d.reply(t.Context(), session))
				_, err := d.append(t, "join", join())
				require.NoError(t, err)
				_, err = d.append(t, "m2", chatbox.Event{
					ID: "m2", Type: chatbox.TypeUserMessage, Sender: chatbox.SenderUser, UserID: "ada", Content: "there?",
					Turn: &chatbox.Turn{State: chatbox.TurnHeld, Run: 1},
				})
				require.NoError(t, err)
				_, err = d.append(t, "leave", chatbox.Event{
					Type: chatbox.TypeAdminLeave, Sender: chatbox.SenderSystem,
					Metadata: map[string]string{chatbox.MetaAdminID: "bob", chatbox.MetaAutomatic: c.automatic},
				})
				require.NoError(t, err)
				sess, err := d.log.Load(t.Context(), session)
				require.NoError(t, err)
				if err = d.Retry(t.Context(), session, sess.State); !c.answered {
					require.ErrorIs(t, err, chatbox.NotFound)
					return
				}
				require.NoError(t, err)
				require.NoError(t, d.reply(t.Context(), session))
				assert.Equal(t, "m2", d.last().Answer.ReplyTo)
			})
		})
	}
}

func TestReopen_LeavesAnAnsweredMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, says("Hello"))
		d.ask(t, "m1", "hi")
		before, err := d.log.Load(t.Context(), session)
		require.NoError(t, err)
		require.NoError(t, d.reply(t.Context(), session))
		require.NoError(t, d.Reopen(t.Context(), session, before.State))
		assert.Equal(t, chatbox.TurnDone, d.of(chatbox.TypeUserMessage)[0].Turn.State)
	})
}

func TestAppendAlone_ATakeoverClosesTheAnswerAndNothingFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shown := make(chan struct{})
		d := newDesk(t, func(ctx context.Context, yield func(chatbox.Delta, error) bool) {
			if !yield(chatbox.Delta{Text: "Hel"}, nil) {
				return
			}
			close(shown)
			<-ctx.Done()
		})
		d.ask(t, "m1", "hi")
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = d.reply(t.Context(), session)
		}()
		<-shown
		synctest.Wait() // the piece is accepted
		_, err := d.AppendAlone(t.Context(), chatbox.FinishTakenOver, draft("join", join()))
		require.NoError(t, err)
		<-ended // the next renewal finds that the lease is lost
		log := d.history.Log(session)
		require.Len(t, log, 3)
		assert.Equal(t, chatbox.TypeAnswer, log[1].Type, "the final comes before the admin_join")
		assert.Equal(t, "Hel", log[1].Content, "exactly the text that was shown")
		assert.Equal(t, chatbox.FinishTakenOver, log[1].Answer.Finish)
		assert.Equal(t, chatbox.TypeAdminJoin, log[2].Type)
	})
}

func TestCancel_KeepsTheShownTextAndStopsNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, says("Hello"))
		d.ask(t, "m1", "hi")
		require.NoError(t, d.reply(t.Context(), session))
		require.NoError(t, d.Cancel(t.Context(), session), "no answer is running")
		assert.Equal(t, chatbox.FinishStop, d.last().Answer.Finish)
		assert.Len(t, d.history.Log(session), 2)
	})
}

func TestReply_ThePromptIsWhatWasSaidBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, says("a1"))
		d.ask(t, "m1", "q1")
		require.NoError(t, d.reply(t.Context(), session))
		d.ask(t, "m2", "q2")
		require.NoError(t, d.reply(t.Context(), session))
		require.Len(t, d.prompts, 2)
		var said []string
		for _, m := range d.prompts[1].Messages {
			said = append(said, m.Content)
		}
		assert.Equal(t, []string{"q1", "a1", "q2"}, said)
	})
}

func TestReply_RedisEmptiedInMidAnswerIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d *desk
		d = newDesk(t, func(ctx context.Context, yield func(chatbox.Delta, error) bool) {
			if !yield(chatbox.Delta{Text: "Hello"}, nil) {
				return
			}
			sleep.For(ctx, time.Second) // the first piece is accepted
			d.redis.Flush()
			_ = yield(chatbox.Delta{Text: " you"}, nil) && yield(chatbox.Delta{Finish: chatbox.FinishStop}, nil)
		})
		d.ask(t, "m1", "hi")
		require.NoError(t, d.reply(t.Context(), session))
		finals := d.of(chatbox.TypeAnswer)
		require.Len(t, finals, 1)
		assert.Equal(t, "Hello you", finals[0].Content)
	})
}

func TestReply_APodThatMayNotClaimLeavesTheTurnToOthers(t *testing.T) {
	d := newDesk(t, func(_ context.Context, yield func(chatbox.Delta, error) bool) {
		_ = yield(chatbox.Delta{Text: "hi"}, nil) && yield(chatbox.Delta{Finish: chatbox.FinishStop}, nil)
	})
	may := false
	d.deps.MayClaim = func() bool { return may }
	d.ask(t, "m1", "hello")
	require.NoError(t, d.reply(t.Context(), session))
	assert.Zero(t, d.count(chatbox.TypeAnswer))
	may = true
	require.NoError(t, d.reply(t.Context(), session))
	assert.Equal(t, 1, d.count(chatbox.TypeAnswer))
}
