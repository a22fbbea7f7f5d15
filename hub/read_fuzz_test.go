package hub

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"chatbox/test/fuzz"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

const fuzzedFrame = 512 // bytes, the limit of the socket under test

// FuzzRead lets a socket read any bytes from a client. It compares the messages
// that reach the handler with the messages that RFC 6455 defines for these bytes.
func FuzzRead(f *testing.F) {
	f.Add(slices.Concat(masked(0x81, "hello"), masked(0x89, "ping"), masked(0x88, "\x03\xe8bye")))
	f.Add(slices.Concat(masked(0x01, "in "), masked(0x8a, "1"), masked(0x00, "three "), masked(0x80, "parts"), masked(0x82, "binary")))
	f.Add(masked(0x81, string(make([]byte, 300))))
	f.Add([]byte{0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})
	f.Add(slices.Concat(masked(0x01, string(make([]byte, 400))), masked(0x80, string(make([]byte, 400)))))
	metrics := NewMetrics(prometheus.NewRegistry())
	fuzz.Run(f, func(t fuzz.T, sent []byte) {
		var got []string
		cfg := Config{MaxFrame: fuzzedFrame}.withDefaults()
		c := NewConn(upgraded(t, sent), "c1", actor(), &cfg, metrics)
		err := c.Run(t.Context(), func(_ context.Context, frame []byte, binary bool) {
			if binary {
				require.Empty(t, frame)
				frame = []byte("binary")
			}
			got = append(got, string(frame))
		})
		want, closed := messagesIn(sent)
		if !slices.Equal(want, got) {
			t.Fatalf("%q: %q arrive, want %q", sent, got, want)
		}
		if closed != (err == nil) {
			t.Fatalf("%q ends with %v, closed in order: %v", sent, err, closed)
		}
	})
}

// masked is one frame of a client.
func masked(first byte, payload string) []byte {
	key := [4]byte{1, 2, 3, 4}
	b := []byte{first, 0x80 | byte(len(payload))}
	if len(payload) > 125 {
		b[1] = 0x80 | 126
		b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	}
	b = append(b, key[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^key[i%4])
	}
	return b
}

// messagesIn reads a client's bytes by RFC 6455, as far as they are good: the
// messages, "binary" for each binary one, and whether a close frame in order
// ends them.
func messagesIn(b []byte) (messages []string, closed bool) {
	var parts []byte
	kind := byte(0) // of the message under way
	for {
		h, payload, rest, ok := frameIn(b)
		if !ok {
			return messages, false
		}
		b = rest
		final, op := h&0x80 != 0, h&0x0f
		switch {
		case op == 8:
			return messages, closesInOrder(payload)
		case op > 8:
			continue
		case op != 0 == (kind != 0): // a message in a message, or the rest of none
			return messages, false
		case op != 0:
			kind, parts = op, nil
		}
		if parts = append(parts, payload...); len(parts) > fuzzedFrame {
			return messages, false
		}
		if final && kind == websocket.BinaryMessage {
			parts = []byte("binary")
		}
		if final {
			messages, kind = append(messages, string(parts)), 0
		}
	}
}

// frameIn is the first frame of b, unmasked, with its first byte.
func frameIn(b []byte) (first byte, payload, rest []byte, ok bool) {
	if len(b) < 2 || b[1]&0x80 == 0 || b[0]&0x70 != 0 || !slices.Contains([]byte{0, 1, 2, 8, 9, 10}, b[0]&0x0f) {
		return 0, nil, nil, false
	}
	first, n := b[0], uint64(b[1]&0x7f)
	control := first&0x08 != 0
	if control && (n > 125 || first&0x80 == 0) {
		return 0, nil, nil, false
	}
	b = b[2:]
	if wide := map[uint64]int{126: 2, 127: 8}[n]; wide > 0 {
		if len(b) < wide {
			return 0, nil, nil, false
		}
		n = binary.BigEndian.Uint64(append(make([]byte, 8-wide), b[:wide]...))
		b = b[wide:]
	}
	if len(b) < 4 || n > uint64(len(b)-4) {
		return 0, nil, nil, false
	}
	key := b[:4]
	for i, c := range b[4 : 4+n] {
		payload = append(payload, c^key[i%4])
	}
	return first, payload, b[4+n:], true
}

// closesInOrder reports whether the close frame is one after which nothing is
// wrong.
func closesInOrder(payload []byte) bool {
	if len(payload) < 2 {
		return true
	}
	code := binary.BigEndian.Uint16(payload)
	return (code == websocket.CloseNormalClosure || code == websocket.CloseGoingAway) && bytes.Equal(bytes.ToValidUTF8(payload[2:], nil), payload[2:])
}

// upgraded is a server's end of which the client has sent all that it will.
func upgraded(tb testing.TB, sent []byte) *websocket.Conn {
	tb.Helper()
	conn := recorded{bytes.NewReader(sent)}
	up := websocket.Upgrader{ReadBufferSize: 64, WriteBufferSize: 256}
	ws, err := up.Upgrade(hijacker{conn: conn, rw: bufio.NewReadWriter(bufio.NewReaderSize(conn, 16), bufio.NewWriterSize(conn, 16))}, &http.Request{
		Method: http.MethodGet, Host: "pod", Header: http.Header{
			"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="},
		},
	}, nil)
	require.NoError(tb, err)
	return ws
}

// recorded is a connection whose client has spoken and does not listen.
type recorded struct{ io.Reader }

func (recorded) Write(b []byte) (int, error)      { return len(b), nil }
func (recorded) Close() error                     { return nil }
func (recorded) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (recorded) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (recorded) SetDeadline(time.Time) error      { return nil }
func (recorded) SetReadDeadline(time.Time) error  { return nil }
func (recorded) SetWriteDeadline(time.Time) error { return nil }
