package outage

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/internal/sleep"
)

func logged() (*slog.Logger, func() []string) {
	var b bytes.Buffer
	log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	return log, func() []string {
		defer b.Reset()
		return strings.FieldsFunc(b.String(), func(r rune) bool { return r == '\n' })
	}
}

var errRefused = &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}

func TestOutage_SaysItAtOnceOnceAMinuteAndWhenItIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, lines := logged()
		o := New("redis", log)
		o.Note(t.Context(), nil)
		assert.Empty(t, lines(), "what answers is not news")
		for range 130 { // 2 minutes and 10 seconds
			o.Note(t.Context(), errRefused)
			sleep.For(t.Context(), time.Second)
		}
		o.Note(t.Context(), nil)
		o.Note(t.Context(), nil)
		assert.Equal(t, []string{
			`level=WARN msg="dependency is away" dependency=redis cause="connection refused" error="dial: connection refused"`,
			`level=WARN msg="dependency is still away" dependency=redis away=1m0s failures=61 cause="connection refused" error="dial: connection refused"`,
			`level=WARN msg="dependency is still away" dependency=redis away=2m0s failures=121 cause="connection refused" error="dial: connection refused"`,
			`level=INFO msg="dependency is back" dependency=redis away=2m10s`,
		}, lines())
	})
}

func TestOutage_AnotherCauseIsNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, lines := logged()
		o := New("redis", log)
		o.Note(t.Context(), errRefused)
		o.Note(t.Context(), errors.New("dial: another port, the same kind"))
		o.NoteAs(t.Context(), Loading, errors.New("LOADING"))
		assert.Equal(t, Loading, o.Kind())
		got := lines()
		require.Len(t, got, 3)
		assert.Contains(t, got[1], `cause="request failed"`)
		assert.Contains(t, got[2], `cause="still loading"`)
	})
}

func TestOutage_FlappingIsToldOfLessOftenThanItFlaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, lines := logged()
		o := New("redis", log)
		for range 600 { // ten minutes, away for half of each second
			o.Note(t.Context(), errRefused)
			sleep.For(t.Context(), 500*time.Millisecond)
			o.Note(t.Context(), nil)
			sleep.For(t.Context(), 500*time.Millisecond)
		}
		got := lines()
		assert.LessOrEqual(t, len(got), 4*10+4)
		assert.Contains(t, strings.Join(got, "\n"), "more_outages=", "the others are counted")
		sleep.For(t.Context(), time.Minute)
		o.Note(t.Context(), nil)
		o.Note(t.Context(), errRefused)
		sleep.For(t.Context(), time.Hour)
		o.Note(t.Context(), nil)
		got = lines()
		assert.Contains(t, got[len(got)-1], "dependency is back", "the last word is how it is")
	})
}

func TestOutage_NilDoesNothing(t *testing.T) {
	var o *Outage
	o.Note(t.Context(), errRefused)
	assert.Empty(t, o.Kind())
}

func TestSparse_CountsWhatItHoldsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Sparse
		pass := func(key string) string {
			n, ok := s.Pass(key)
			return fmt.Sprint(n, ok)
		}
		assert.Equal(t, "0 true", pass("a"))
		assert.Equal(t, "0 false", pass("a"))
		assert.Equal(t, "0 false", pass("a"))
		assert.Equal(t, "0 true", pass("b"))
		sleep.For(t.Context(), time.Minute)
		assert.Equal(t, "2 true", pass("a"))
		sleep.For(t.Context(), time.Minute)
		assert.Equal(t, "0 true", pass("a"))
	})
}

func TestKindOf(t *testing.T) {
	for want, errs := range map[Kind][]error{
		"":      {nil},
		Refused: {errRefused, fmt.Errorf("redis ping: %w", errRefused)},
		Timeout: {context.DeadlineExceeded, &net.OpError{Op: "read", Err: timeoutError{}}, &net.DNSError{IsTimeout: true}},

		Unresolved:  {&net.DNSError{Err: "no such host", IsNotFound: true}},
		Unreachable: {&net.OpError{Err: syscall.EHOSTUNREACH}, &net.OpError{Err: syscall.ENETUNREACH}},
		Closed:      {io.EOF, io.ErrUnexpectedEOF, &net.OpError{Err: syscall.ECONNRESET}},
		NotTLS:      {tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}},
		Certificate: {
			&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}},
			x509.HostnameError{Certificate: &x509.Certificate{}},
			x509.CertificateInvalidError{},
			&net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")},
		},
		Handshake: {&net.OpError{Op: "remote error", Err: errors.New("tls: protocol version not supported")}},
		Memory:    {As(Memory, errRefused), fmt.Errorf("probe: %w", As(Memory, errors.New("OOM")))},
		Failed:    {errors.New("whatever")},
	} {
		for _, err := range errs {
			assert.Equal(t, want, KindOf(err), "%v", err)
		}
	}
	assert.NoError(t, As(Memory, nil))
}

type timeoutError struct{}

func (timeoutError) Error() string { return "i/o timeout" }
func (timeoutError) Timeout() bool { return true }
