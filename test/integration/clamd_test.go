//go:build integration

package integration

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/providers/clamd"
)

// virus is the test file of EICAR in two parts, so that no scanner takes this file
// for it.
var virus = `X5O!P%@AP[4\PZX54(P^)7CC)7}$` + `EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`

// TestClamd_Scans starts the daemon of Debian's clamav-daemon with one signature.
func TestClamd_Scans(t *testing.T) {
	bin, err := exec.LookPath("clamd")
	if err != nil {
		t.Skip("NOT RUN: no clamd on this machine (apt-get install clamav-daemon)")
	}
	dir := t.TempDir()
	signature := "Eicar-Test:0:*:" + hex.EncodeToString([]byte(virus)) + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "test.ndb"), []byte(signature), 0o644))
	require.NoError(t, os.Chmod(dir, 0o755))
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := listener.Addr().String()
	require.NoError(t, listener.Close())
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	settings := fmt.Sprintf("DatabaseDirectory %s\nTCPAddr 127.0.0.1\nTCPSocket %s\nForeground yes\nStreamMaxLength 1M\nLogFile %s\n", dir, port, filepath.Join(dir, "clamd.log"))
	file := filepath.Join(dir, "clamd.conf")
	require.NoError(t, os.WriteFile(file, []byte(settings), 0o644))
	ctx, cancel := context.WithCancel(t.Context())
	daemon := exec.CommandContext(ctx, bin, "--config-file="+file)
	require.NoError(t, daemon.Start())
	t.Cleanup(func() { cancel(); _ = daemon.Wait() })

	scanner, err := clamd.New(addr)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := scanner.Scan(t.Context(), strings.NewReader("ready?"))
		return err == nil
	}, time.Minute, 50*time.Millisecond, "the daemon serves")
	for name, c := range map[string]struct {
		content io.Reader
		found   string
		fails   bool
	}{
		"clean":      {content: strings.NewReader("some words")},
		"empty":      {content: strings.NewReader("")},
		"virus":      {content: strings.NewReader(virus), found: "Eicar-Test"},
		"virus late": {content: strings.NewReader(strings.Repeat("words ", 100_000) + virus), found: "Eicar-Test"},
		"too large":  {content: strings.NewReader(strings.Repeat("x", 3<<20)), fails: true},
	} {
		found, err := scanner.Scan(t.Context(), c.content)
		if c.fails {
			require.Error(t, err, name)
			continue
		}
		require.NoError(t, err, name)
		if c.found == "" {
			assert.Empty(t, found, name)
		} else {
			assert.Contains(t, found, c.found, name)
		}
	}
}
