package client

import (
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestClient_AsksAndIsAnswered(t *testing.T) {
	t.Parallel()
	p := newPod(t, func(p *peer) {
		welcome(p, 0)
		q := p.read()
		p.send(ackOf(q.ID, 1), piece(0, 0, "hel"), piece(0, 1, "lo"), final(2, 0, 1, 5))
		p.linger()
	})
	d := run(t, p, nil)
	id, err := d.Send(Frame{Type: TypeUserMessage, SessionID: "s", Content: "hi"})
	require.NoError(t, err)
	d.wait(t, func(tr *Tracker) bool { s := tr.Session("s"); return s != nil && s.LastSeq == 2 })
	d.View(func(tr *Tracker) {
		assert.Empty(t, tr.Violations)
		assert.Equal(t, 0, tr.Session("s").Unacked())
		assert.Equal(t, int64(1), tr.Session("s").Sent[id].Seq)
		last, _ := tr.Session("s").EventAt(2)
		assert.Equal(t, "hello", last.Text)
	})
	acts := map[Act]int{}
	for _, e := range d.Transcript() {
		acts[e.Act]++
	}
	assert.Equal(t, map[Act]int{ActDialing: 1, ActOpened: 1, ActSent: 1, ActReceived: 6}, acts)
	assert.Equal(t, 2, Replay(d.Transcript()).Session("s").Answers["ans_1"].Pieces)
}

func TestClient_RepeatsUnackedFramesAndResumesByURL(t *testing.T) {
	t.Parallel()
	p := newPod(t,
		func(p *peer) { welcome(p, 0); p.read() }, // takes the frame and dies
		func(p *peer) {
			welcome(p, 0)
			p.send(ackOf(p.read().ID, 1))
			p.close(4002)
		},
		func(p *peer) { welcome(p, 1); p.linger() },
	)
	d := run(t, p, nil)
	id, err := d.Send(message("q"))
	require.NoError(t, err)
	d.wait(t, func(tr *Tracker) bool { return acked(id)(tr) && tr.Session("s").Resumes == 3 })
	d.View(func(tr *Tracker) {
		assert.Empty(t, tr.Violations)
		assert.Equal(t, 2, tr.Session("s").Sent["q"].Times)
	})
	for _, want := range []string{"0", "0", "1"} {
		assert.Equal(t, want, (<-p.seen).URL.Query().Get("last_seq"))
	}
}

func TestClient_ResumesByFrame(t *testing.T) {
	t.Parallel()
	asked := make(chan Frame, 2)
	script := func(p *peer) {
		p.send(hello(""))
		asked <- p.read()
		p.send(event(TypeUserMessage, "x", 1), resumed(1))
		p.linger()
	}
	p := newPod(t, script, func(p *peer) {
		p.send(hello(""))
		asked <- p.read()
		p.send(resumed(1))
		p.linger()
	})
	d := run(t, p, func(c *Config) { c.ResumeByFrame = true })
	d.wait(t, func(tr *Tracker) bool { return tr.Attached("s") && tr.Session("s").LastSeq == 1 })
	d.Drop(0)
	d.wait(t, func(tr *Tracker) bool { return tr.Session("s").Resumes == 2 })
	assert.Equal(t, Frame{Type: TypeResume, SessionID: "s"}, <-asked)
	assert.Equal(t, Frame{Type: TypeResume, SessionID: "s", Seq: 1}, <-asked)
	assert.Empty(t, (<-p.seen).URL.RawQuery)
	d.View(func(tr *Tracker) { assert.Empty(t, tr.Violations) })
}

func TestClient_StopsWhereTheServerSaysSo(t *testing.T) {
	t.Parallel()
	for _, code := range []int{4500, 4501, 4503, 4999, websocket.CloseMessageTooBig, websocket.CloseProtocolError} {
		p := newPod(t, func(p *peer) { welcome(p, 0); p.close(code) })
		var stopped *StoppedError
		require.ErrorAs(t, run(t, p, nil).ended(t), &stopped)
		assert.Equal(t, code, stopped.Code)
	}
	p := newPod(t)
	p.refuse <- http.StatusUnauthorized
	var stopped *StoppedError
	require.ErrorAs(t, run(t, p, nil).ended(t), &stopped)
	assert.Equal(t, http.StatusUnauthorized, stopped.Code)
}

func TestClient_ComesBackAfterReconnectableCloses(t *testing.T) {
	t.Parallel()
	codes := []int{4001, 4003, 4004, 4499, websocket.CloseGoingAway, websocket.CloseInternalServerErr}
	var scripts []func(*peer)
	for _, code := range codes {
		scripts = append(scripts, func(p *peer) { welcome(p, 0); p.close(code) })
	}
	p := newPod(t, append(scripts, func(p *peer) { welcome(p, 0); p.linger() })...)
	d := run(t, p, nil)
	d.wait(t, func(tr *Tracker) bool { s := tr.Session("s"); return s != nil && s.Resumes == len(codes)+1 })
}

func TestClient_ComesBackWhenTold(t *testing.T) {
	t.Parallel()
	var told, back time.Time
	p := newPod(t, func(p *peer) {
		welcome(p, 0)
		told = time.Now()
		p.send(Frame{Type: TypeReconnect, Metadata: map[string]string{"after_ms": "60"}})
		p.linger()
	}, func(p *peer) { back = time.Now(); welcome(p, 0); p.linger() })
	d := run(t, p, nil)
	d.wait(t, func(tr *Tracker) bool { s := tr.Session("s"); return s != nil && s.Resumes == 2 })
	assert.GreaterOrEqual(t, back.Sub(told), 60*time.Millisecond)
}

func TestClient_RepeatsWhatWasRefusedForNow(t *testing.T) {
	t.Parallel()
	refuse := func(p *peer, id string, e WireError) {
		p.send(Frame{Type: TypeError, ID: id, SessionID: "s", Error: &e})
	}
	p := newPod(t, func(p *peer) {
		welcome(p, 0)
		refuse(p, p.read().ID, WireError{Code: CodeTooManyRequests, RetryAfter: 5})
		refuse(p, p.read().ID, WireError{Code: "DATABASE_ERROR", Recoverable: true})
		p.send(ackOf(p.read().ID, 1))
		refuse(p, p.read().ID, WireError{Code: "INVALID_FORMAT"})
		p.close(4001)
	}, func(p *peer) { welcome(p, 1); p.linger() })
	d := run(t, p, nil)
	_, err := d.Send(message("q"))
	require.NoError(t, err)
	d.wait(t, acked("q"))
	_, err = d.Send(message("bad"))
	require.NoError(t, err)
	d.wait(t, func(tr *Tracker) bool { return tr.Session("s").Resumes == 2 })
	d.View(func(tr *Tracker) {
		assert.Equal(t, 1, tr.Throttled)
		assert.Equal(t, map[string]int{"DATABASE_ERROR": 1, "INVALID_FORMAT": 1}, tr.Errors)
		assert.Equal(t, 3, tr.Session("s").Sent["q"].Times)
		assert.Equal(t, "INVALID_FORMAT", tr.Session("s").Sent["bad"].Code)
		assert.Equal(t, 0, tr.Session("s").Unacked())
	})
}

func TestClient_WaitsWhenTheUpgradeIsRefused(t *testing.T) {
	t.Parallel()
	p := newPod(t, func(p *peer) { welcome(p, 0); p.linger() })
	p.refuse <- http.StatusTooManyRequests
	d := run(t, p, nil)
	begun := time.Now()
	d.wait(t, func(tr *Tracker) bool { return tr.Attached("s") })
	assert.GreaterOrEqual(t, time.Since(begun), time.Second)
	assert.Equal(t, ActRefused, d.Transcript()[1].Act)
}

func TestClient_ShowsItsCredentialAsAsked(t *testing.T) {
	t.Parallel()
	for auth, check := range map[Auth]func(*http.Request) bool{
		AuthHeader: func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer secret-token" },
		AuthSubprotocol: func(r *http.Request) bool {
			return r.Header.Get("Sec-Websocket-Protocol") == "chatbox.v1, bearer.secret-token"
		},
		AuthQuery:  func(r *http.Request) bool { return r.URL.Query().Get("token") == "secret-token" },
		AuthTicket: func(r *http.Request) bool { return r.URL.Query().Get("ticket") == "secret-token" },
	} {
		p := newPod(t, func(p *peer) { welcome(p, 0); p.linger() })
		d := run(t, p, func(c *Config) { c.Auth = auth; c.Header = http.Header{"Origin": {"null"}} })
		d.wait(t, func(tr *Tracker) bool { return tr.Attached("s") })
		r := <-p.seen
		assert.True(t, check(r), auth)
		assert.Equal(t, "/chatbox/ws", r.URL.Path)
		assert.Equal(t, "null", r.Header.Get("Origin"))
		d.View(func(tr *Tracker) { assert.Empty(t, tr.Violations) })
	}
}

func TestClient_NotesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	p := newPod(t, func(p *peer) {
		welcome(p, 0)
		for _, text := range []string{"{", `{"id":"x"}`, `{"type":"pong","metadata":{"n":1}}`} {
			p.err = p.ws.WriteMessage(websocket.TextMessage, []byte(text))
		}
		p.err = p.ws.WriteMessage(websocket.BinaryMessage, []byte("{}"))
		p.linger()
	})
	d := run(t, p, nil)
	d.wait(t, func(tr *Tracker) bool { return tr.Counts[BadFrame] == 4 })
}

func TestClient_SurvivesAServerOutOfReach(t *testing.T) {
	t.Parallel()
	p := newPod(t)
	p.Close()
	d := run(t, p, func(c *Config) { c.Auth = AuthQuery })
	d.wait(t, func(*Tracker) bool { return len(d.entries) > 2 })
	for _, e := range d.Transcript() {
		assert.NotContains(t, e.Note, "secret-token")
	}
	d.stop()
	require.NoError(t, d.ended(t))
}

func TestClient_RefusesMoreThanItCanHold(t *testing.T) {
	t.Parallel()
	c := New(Config{})
	for range maxOutbox / 2 {
		_, err := c.Send(Frame{Type: TypeUserMessage, SessionID: "s"})
		require.NoError(t, err)
	}
	_, err := c.Send(Frame{Type: TypeUserMessage, SessionID: "s"})
	require.ErrorIs(t, err, ErrBusy)
	assert.False(t, c.Repeat("s", "unknown"))
}

func TestClient_RepeatsOnWish(t *testing.T) {
	t.Parallel()
	p := newPod(t, func(p *peer) {
		welcome(p, 0)
		p.send(ackOf(p.read().ID, 1))
		p.send(ackAgain(p.read().ID, 1))
		f := p.read()
		p.send(event(TypeUserMessage, "q", f.Seq), resumed(1))
		p.linger()
	})
	d := run(t, p, nil)
	_, err := d.Send(message("q"))
	require.NoError(t, err)
	d.wait(t, acked("q"))
	assert.True(t, d.Repeat("s", "q"))
	d.wait(t, func(tr *Tracker) bool { return tr.Session("s").Sent["q"].Acks == 2 })
	require.NoError(t, d.SendBare(Frame{Type: TypeResume, SessionID: "s", Seq: 1}))
	d.wait(t, func(tr *Tracker) bool { return tr.Session("s").Resumes == 2 })
	d.View(func(tr *Tracker) { assert.Equal(t, map[Class]int{SeqRepeat: 1}, tr.Counts) })
}
