package llm

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/test/rawserver"
)

// newRawVendor answers each request with the bytes and closes the connection.
func newRawVendor(t *testing.T, response string) string {
	t.Helper()
	addr, _ := rawserver.Start(t, func(c net.Conn) {
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = c.Read(make([]byte, 64<<10)) // the request fits
		_, _ = io.WriteString(c, response)
		_ = c.Close()
	})
	return "http://" + addr
}

// Text of a vendor stays out of errors and out of the log, at any place in a
// response that is not HTTP.
func TestTransport_ErrorsQuoteNothing(t *testing.T) {
	const words = "WhatSomebodySaid"
	const ok = "HTTP/1.1 200 OK\r\n"
	for name, response := range map[string]string{
		"a status line":         words + "/1.1 200 OK\r\n\r\n",
		"a status code":         "HTTP/1.1 " + words + " OK\r\n\r\n",
		"a header without name": ok + words + "\r\n\r\n",
		"a header's name":       ok + words + " x: y\r\n\r\n",
		"a folded first line":   ok + " " + words + "\r\n\r\n",
		"a length":              ok + "Content-Length: " + words + "\r\n\r\n",
		"two lengths":           ok + "Content-Length: 1\r\nContent-Length: 2" + words + "\r\n\r\n",
		"a transfer encoding":   ok + "Transfer-Encoding: " + words + "\r\n\r\n",
		"a chunk's length":      ok + "Transfer-Encoding: chunked\r\n\r\n" + words + "\r\n\r\n",
		"a trailer":             ok + "Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n0\r\n" + words + "\r\n\r\n",
		"a trailer's promise":   ok + "Transfer-Encoding: chunked\r\nTrailer: Content-Length, " + words + "\r\n\r\n0\r\n\r\n",
		"a content encoding":    ok + "Content-Encoding: br, " + words + "\r\n\r\nx",
		"a location":            "HTTP/1.1 302 Found\r\nLocation: ://" + words + "\r\nContent-Length: 0\r\n\r\n",
		"a reason phrase":       "HTTP/1.1 500 " + words + "\r\nContent-Length: 0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			r, log := newTestRouter(t, TypeOpenAI, newRawVendor(t, response), withoutContinue)
			got := collect(t, r.Stream(t.Context(), prompt("Hi")))
			var e *chatbox.Error
			require.ErrorAs(t, got.err, &e)
			assert.NotContains(t, got.err.Error(), words)
			assert.NotContains(t, e.Err.Error(), words)
			assert.NotContains(t, log.String(), words)
		})
	}
}

func TestTransport_ErrorsTellOperatorsTheCause(t *testing.T) {
	refused := "http://" + func() string {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer func() { _ = l.Close() }()
		return l.Addr().String()
	}()
	for want, endpoint := range map[string]string{
		"connection refused": refused,
		"HTTPS":              "https" + newRawVendor(t, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")[len("http"):],
	} {
		r, _ := newTestRouter(t, TypeOpenAI, endpoint, withoutContinue)
		got := collect(t, r.Stream(t.Context(), prompt("Hi")))
		require.ErrorContains(t, got.err, want)
	}
}
