package hub

import (
	"fmt"
	"time"

	"chatbox"
	"chatbox/cluster"
)

type textAt struct {
	answer         string
	attempt, index int
}

// truth is what Redis and the history have of one session, and the channel
// between them and the pod.
type truth struct {
	owner   string
	key     chatbox.SessionKey
	log     []chatbox.Event
	state   chatbox.State
	pending []chatbox.Gen
	open    *cluster.OpenAnswer
	texts   map[textAt]string
	channel []cluster.Update
	n       int
}

func newTruth() *truth {
	return &truth{owner: "u", key: chatbox.SessionKey{ID: "s"}, texts: map[textAt]string{}}
}

func (tr *truth) silentAt(seq int64) bool {
	var st chatbox.State
	for _, e := range tr.log[:seq] {
		st = st.Apply(e)
	}
	return st.HolderID != "" || st.Ended
}

func (tr *truth) tell(u cluster.Update) {
	u.Session, u.Owner, u.Head = tr.key, tr.owner, tr.state.Head
	tr.channel = append(tr.channel, u)
}

// commit appends an event and publishes it.
func (tr *truth) commit(e chatbox.Event) chatbox.Event {
	tr.n++
	e.Session, e.Owner, e.Seq = tr.key, tr.owner, tr.state.Head+1
	e.Time = time.Unix(int64(tr.n), 0).UTC()
	if e.Key == "" {
		e.Key = fmt.Sprint("k", tr.n)
	}
	if e.ID == "" {
		e.ID = fmt.Sprint("id", tr.n)
	}
	if e.Turn != nil {
		tr.pending = append(tr.pending, chatbox.Gen{Seq: e.Seq, Run: 1})
	}
	tr.log = append(tr.log, e)
	tr.state = tr.state.Apply(e)
	tr.tell(cluster.Update{Event: &e})
	return e
}

func (tr *truth) message(key string) chatbox.Event {
	e := chatbox.Event{Key: key, Type: chatbox.TypeUserMessage, Sender: chatbox.SenderUser, UserID: tr.owner, Content: "m"}
	if tr.state.HolderID == "" {
		e.Turn = &chatbox.Turn{State: chatbox.TurnPending, Run: 1}
	}
	return tr.commit(e)
}

// read is what one script returns, completed from the history.
func (tr *truth) read(after int64) ([]chatbox.Event, chatbox.State, *cluster.OpenAnswer) {
	var open *cluster.OpenAnswer
	if tr.open != nil {
		o := *tr.open
		open = &o
	}
	if after > tr.state.Head {
		return nil, tr.state, open
	}
	return append([]chatbox.Event(nil), tr.log[after:]...), tr.state, open
}

func (tr *truth) note() {
	o := tr.open
	tr.texts[textAt{o.AnswerID, o.Attempt, o.Index}] = o.Text
}

func (tr *truth) start() {
	if tr.open != nil || len(tr.pending) == 0 || tr.state.HolderID != "" || tr.state.Ended {
		return
	}
	g := tr.pending[0]
	tr.open = &cluster.OpenAnswer{AnswerID: chatbox.AnswerID(tr.key, g.Seq, g.Run), Gen: g, Index: -1}
	tr.note()
	tr.tell(cluster.Update{Loading: &cluster.Loading{AnswerID: tr.open.AnswerID, Gen: g}})
}

// piece accepts the next piece, as a snapshot where asked for.
func (tr *truth) piece(text string, snapshot bool) {
	o := tr.open
	if o == nil {
		return
	}
	o.Index++
	o.Text += text
	p := cluster.Piece{AnswerID: o.AnswerID, Gen: o.Gen, Attempt: o.Attempt, Index: o.Index, Content: text}
	if snapshot {
		p.Snapshot, p.Content = true, o.Text
	}
	tr.note()
	tr.tell(cluster.Update{Piece: &p})
}

func (tr *truth) restart() {
	if tr.open == nil {
		return
	}
	tr.open.Attempt, tr.open.Index, tr.open.Text = tr.open.Attempt+1, -1, ""
	tr.note()
	p := tr.open.Snapshot()
	tr.tell(cluster.Update{Piece: &p})
}

// final closes the open answer; text, where not nil, is another pod's final
// that supersedes what is visible.
func (tr *truth) final(f chatbox.Finish, text *string) {
	o := tr.open
	if o == nil {
		return
	}
	if text != nil {
		o.Attempt, o.Index, o.Text = o.Attempt+1, -1, *text
		tr.note()
		p := o.Snapshot()
		tr.tell(cluster.Update{Piece: &p})
	}
	tr.open, tr.pending = nil, tr.pending[1:]
	tr.commit(chatbox.Event{
		ID: o.AnswerID, Type: chatbox.TypeAnswer, Sender: chatbox.SenderAI, Content: o.Text, Status: f.Status(),
		Answer: &chatbox.Answer{Gen: o.Gen, Attempt: o.Attempt, Index: o.Index, Finish: f},
	})
}

// fail drops the turn; it returns the answer that failed.
func (tr *truth) fail() string {
	o := tr.open
	if o == nil || o.Text != "" {
		return ""
	}
	tr.open, tr.pending = nil, tr.pending[1:]
	tr.tell(cluster.Update{Failure: &cluster.Failure{AnswerID: o.AnswerID, Gen: o.Gen}})
	return o.AnswerID
}

func (tr *truth) takeover() {
	tr.final(chatbox.FinishTakenOver, nil)
	tr.commit(chatbox.Event{Type: chatbox.TypeAdminJoin, Metadata: map[string]string{chatbox.MetaAdminID: "a"}})
	tr.pending = nil
}

func describe(u cluster.Update) string {
	switch {
	case u.Event != nil:
		return fmt.Sprint("event ", u.Event.Seq, " ", u.Event.Type)
	case u.Piece != nil:
		return fmt.Sprintf("piece %v (%d,%d) snapshot %v at head %d", u.Piece.Gen, u.Piece.Attempt, u.Piece.Index, u.Piece.Snapshot, u.Head)
	case u.Loading != nil:
		return fmt.Sprint("loading ", u.Loading.Gen, " at head ", u.Head)
	default:
		return fmt.Sprint("failure ", u.Failure.Gen, " at head ", u.Head)
	}
}
