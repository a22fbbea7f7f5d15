// Package childredis runs the emulated Redis in a process of its own, for tests
// that count what their own process allocates.
package childredis

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
)

// variable tells a copy of a test program to be the server.
const variable = "CHATBOX_TEST_BE_REDIS"

// ServeInChild serves until the parent ends and then exits, if this process is a
// child that Start has started. Every TestMain of a package that uses Start calls
// it first.
func ServeInChild() {
	if os.Getenv(variable) == "" {
		return
	}
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_, _ = fmt.Fprintln(os.Stdout, m.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin) // ends with the parent
	os.Exit(0)
}

// Start returns the address of a server that ends with the test.
func Start(t *testing.T) string {
	t.Helper()
	child := exec.Command(os.Args[0]) //nolint:noctx // this program; it ends with its standard input
	child.Env, child.Stderr = append(os.Environ(), variable+"=yes"), os.Stderr
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = child.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}
