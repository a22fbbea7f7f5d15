package api

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/live"
	"chatbox/cluster"
	"chatbox/hub"
)

// openStream is a stream of events.
type openStream struct {
	*bufio.Reader

	status int
	header http.Header
	leave  func() error
}

// stream opens a stream of events as the holder of the header.
func (p *pod) stream(path string, h http.Header) openStream {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.url+path, http.NoBody)
	require.NoError(p.t, err)
	req.Header = h
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	require.NoError(p.t, err)
	p.t.Cleanup(func() { _ = resp.Body.Close() })
	return openStream{bufio.NewReader(resp.Body), resp.StatusCode, resp.Header, resp.Body.Close}
}

// sse is one event of a stream.
type sse struct {
	kind, id string
	hasID    bool
	data     map[string]any
}

// nextEvent reads the next event. Comments are skipped.
func nextEvent(t *testing.T, r openStream) (e sse) {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		require.NoError(t, err)
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch {
		case line == "\n" && e.data != nil:
			return e
		case name == "event":
			e.kind = value
		case name == "id":
			e.id, e.hasID = value, true
		case name == "data":
			require.NoError(t, json.Unmarshal([]byte(value), &e.data))
		}
	}
}

func TestEvents_AreFramesAndOnlyPlacesHaveIDs(t *testing.T) {
	p := newPod(t, nil)
	p.conv.attach = func(_ context.Context, c live.Socket, id string, after *int64) error {
		assert.EqualValues(t, 5, *after)
		k, conn := chatbox.SessionKey{ID: id}, p.hub.Get(c.ID())
		for _, d := range []hub.Delivery{
			{Event: &chatbox.Event{Session: k, Seq: 6, ID: "m", Type: chatbox.TypeUserMessage, Sender: chatbox.SenderUser, Content: "a\nb\r\n\u2028"}},
			{Ack: &hub.Ack{ID: "m", Seq: 6}},
			{Read: &cluster.Read{Seq: 6, Sender: chatbox.SenderUser}},
			{Resumed: &hub.Resumed{Seq: 6, Recovered: true}},
		} {
			d.Session = k
			conn.Send(Encoder("/chatbox")(d))
		}
		return nil
	}
	h := bearerHeader(token(t, nil))
	h.Set("Last-Event-Id", "5")
	r := p.stream("/sessions/s-1/events?last_seq=2", h)
	assert.Equal(t, http.StatusOK, r.status)
	assert.Equal(t, "text/event-stream", r.header.Get("Content-Type"))
	assert.Equal(t, "no-store", r.header.Get("Cache-Control"))
	assert.Equal(t, "no", r.header.Get("X-Accel-Buffering"))
	assert.NotEmpty(t, r.header.Get(headerRequestID))
	for _, want := range []sse{
		{kind: "connection_status"}, {kind: "user_message", id: "6", hasID: true}, {kind: "ack"}, {kind: "read"}, {kind: "resumed", id: "6", hasID: true},
	} {
		got := nextEvent(t, r)
		assert.Equal(t, want.kind, got.data["type"])
		if got.kind == "user_message" {
			assert.Equal(t, "a\nb\r\n\u2028", got.data["content"])
		}
		got.data = nil
		assert.Equal(t, want, got)
	}
	assert.Equal(t, 1, p.hub.Len())
	p.onlyConn().Close(hub.CloseDraining, "")
	_, err := io.ReadAll(r)
	require.NoError(t, err, "the response ends whole")
	require.Eventually(t, func() bool { return p.hub.Len() == 0 }, soon, time.Millisecond)
}

// A client that leaves is forgotten at once.
func TestEvents_TheClientLeaves(t *testing.T) {
	p := newPod(t, nil)
	r := p.stream("/sessions/s-1/events", bearerHeader(token(t, nil)))
	assert.Equal(t, "connection_status", nextEvent(t, r).kind)
	require.NoError(t, r.leave())
	require.Eventually(t, func() bool { return p.hub.Len() == 0 }, soon, time.Millisecond)
}

func TestEvents_ARefusedAttachEndsTheStream(t *testing.T) {
	p := newPod(t, nil)
	p.conv.attach = func(context.Context, live.Socket, string, *int64) error {
		return chatbox.NewError(chatbox.NotYours, "", nil)
	}
	r := p.stream("/sessions/s-1/events", bearerHeader(token(t, nil)))
	assert.Equal(t, "connection_status", nextEvent(t, r).kind)
	e := nextEvent(t, r)
	assert.Equal(t, "error", e.kind)
	assert.False(t, e.hasID)
	_, err := io.ReadAll(r)
	require.NoError(t, err)
}

func TestEvents_RefusedBeforeTheyBegin(t *testing.T) {
	p := newPod(t, nil)
	good := bearerHeader(token(t, nil))
	with := func(name, value string) http.Header {
		h := good.Clone()
		h.Set(name, value)
		return h
	}
	for _, c := range []struct {
		path   string
		h      http.Header
		status int
		code   string
		about  string
	}{
		{"s-1/events", nil, http.StatusUnauthorized, "INVALID_TOKEN", ""},
		{"s-1/events", http.Header{"Sec-Websocket-Protocol": {"chatbox.v1, bearer." + token(t, nil)}}, http.StatusUnauthorized, "INVALID_TOKEN", ""},
		{"nobodys/events", good, http.StatusNotFound, "NOT_FOUND", ""},
		{"a%20b/events", good, http.StatusNotFound, "NOT_FOUND", ""},
		{"s-1/events?last_seq=x", good, http.StatusBadRequest, "INVALID_FORMAT", "last_seq"},
		{"s-1/events?last_seq=1&last_seq=2", good, http.StatusBadRequest, "INVALID_FORMAT", "last_seq"},
		{"s-1/events", with("Last-Event-Id", "-1"), http.StatusBadRequest, "INVALID_FORMAT", "Last-Event-ID"},
		{"s-1/events?last_seq=1", with("Last-Event-Id", "ü"), http.StatusBadRequest, "INVALID_FORMAT", "Last-Event-ID"},
	} {
		status, f := p.fails(http.MethodGet, "/sessions/"+c.path, c.h, nil)
		assert.Equal(t, c.status, status, c.path)
		assert.Equal(t, c.code, f.Code, c.path)
		assert.Contains(t, f.Message, c.about, c.path)
	}
	assert.Zero(t, p.hub.Len())
}

// A browser cannot set headers: its stream has a ticket.
func TestEvents_TakeATicket(t *testing.T) {
	p := newPod(t, nil)
	ticket := p.ticket(token(t, nil))
	r := p.stream("/sessions/s-1/events?ticket="+ticket, http.Header{})
	assert.Equal(t, "ann", nextEvent(t, r).data["user_id"])
	status, _ := p.fails(http.MethodGet, "/sessions/s-1/events?ticket="+ticket, nil, nil)
	assert.Equal(t, http.StatusUnauthorized, status, "a ticket works once")
}
