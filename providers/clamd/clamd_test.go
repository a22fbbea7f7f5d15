package clamd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"chatbox/test/rawserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// daemon speaks INSTREAM as clamd does: it answers by content, and refuses more
// than most bytes before their end.
func daemon(t *testing.T, most int, reply func(content []byte) string) *Scanner {
	t.Helper()
	addr, _ := rawserver.Start(t, func(conn net.Conn) { serve(conn, most, reply) })
	s, err := New(addr)
	require.NoError(t, err)
	return s
}

func serve(conn net.Conn, most int, reply func([]byte) string) {
	defer func() { _ = conn.Close() }()
	r := bufio.NewReader(conn)
	if command, err := r.ReadString(0); err != nil || command != "zINSTREAM\x00" {
		_, _ = conn.Write([]byte("UNKNOWN COMMAND\x00"))
		return
	}
	var all bytes.Buffer
	for {
		var size [4]byte
		if _, err := io.ReadFull(r, size[:]); err != nil {
			return
		}
		n := binary.BigEndian.Uint32(size[:])
		if n == 0 {
			break
		}
		if _, err := io.CopyN(&all, r, int64(n)); err != nil {
			return
		}
		if all.Len() > most {
			_, _ = conn.Write([]byte("INSTREAM size limit exceeded. ERROR\x00"))
			_, _ = io.Copy(io.Discard, r)
			return
		}
	}
	if s := reply(all.Bytes()); s != "" {
		_, _ = conn.Write([]byte(s + "\x00"))
	}
}

func TestScan(t *testing.T) {
	long := strings.Repeat("x", 3*chunk+7)
	s := daemon(t, 1<<20, func(b []byte) string {
		switch {
		case bytes.Contains(b, []byte("EICAR")):
			return "stream: Eicar-Test-Signature FOUND"
		case string(b) == "", string(b) == "fine", string(b) == long:
			return "stream: OK"
		case string(b) == "silent":
			return ""
		default:
			return "stream: lstat() failed ERROR"
		}
	})
	for content, want := range map[string]string{"fine": "", "": "", long: "", "an EICAR file": "Eicar-Test-Signature"} {
		found, err := s.Scan(t.Context(), strings.NewReader(content))
		require.NoError(t, err)
		assert.Equal(t, want, found)
	}
	for _, content := range []string{"silent", "something else", strings.Repeat("y", 2<<20)} {
		_, err := s.Scan(t.Context(), strings.NewReader(content))
		require.Error(t, err, "not scanned")
	}
	broken := errors.New("the store is away")
	_, err := s.Scan(t.Context(), io.MultiReader(strings.NewReader("fi"), failing{broken}))
	require.ErrorIs(t, err, broken)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Scan(ctx, strings.NewReader("fine"))
	require.ErrorIs(t, err, context.Canceled)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestScan_NobodyListens(t *testing.T) {
	address, stop := rawserver.Start(t, func(net.Conn) {})
	stop()
	s, err := New(address)
	require.NoError(t, err)
	_, err = s.Scan(t.Context(), strings.NewReader("fine"))
	require.Error(t, err)
}

func TestNew(t *testing.T) {
	for _, good := range []string{"localhost:3310", "[::1]:3310", "unix:/run/clamd.sock"} {
		_, err := New(good)
		require.NoError(t, err, good)
	}
	for _, bad := range []string{"", "localhost", "unix:run", "localhost:", "tcp://x"} {
		_, err := New(bad)
		require.Error(t, err, bad)
	}
}

func TestVersion(t *testing.T) {
	says := func(reply string) *Scanner {
		addr, _ := rawserver.Start(t, func(conn net.Conn) {
			defer func() { _ = conn.Close() }()
			if command, _ := bufio.NewReader(conn).ReadString(0); command == "zVERSION\x00" {
				_, _ = io.WriteString(conn, reply)
			}
		})
		s, err := New(addr)
		require.NoError(t, err)
		return s
	}
	version, err := says("ClamAV 1.4.3/27000/Mon Nov 30\x00").Version(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "ClamAV 1.4.3/27000/Mon Nov 30", version)
	_, err = says("UNKNOWN COMMAND\x00").Version(t.Context())
	require.ErrorContains(t, err, "UNKNOWN COMMAND")
	_, err = says("").Version(t.Context())
	require.Error(t, err)
}
