package cluster

import (
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
)

// A history whose disk is full: the message is refused with one recoverable
// error and is not in the history, readiness names the cause, and earlier messages
// can be read. With free space the same processes work again.
func TestDisk_Full(t *testing.T) {
	if os.Getenv("CHATBOX_TEST_MONGO_URI") != "" {
		t.Skip("of the embedded history")
	}
	disk := smallDisk(t)
	c := start(t, 2, func(cfg *devstack.Config) {
		cfg.Data = disk
		cfg.Log.AckWait = 500 * time.Millisecond
	})
	ada := c.device("ada", "s-1", c.podURL(0))
	c.answered(ada, "s-1", c.say(ada, "s-1", "hello [[words=2]]"))
	before := c.history("ada", "s-1")

	fill(t, filepath.Join(disk, "ballast"))
	c.until("a refusal", func() bool { // what is free inside the files is used up first
		c.say(ada, "s-1", "[[words=1]]"+strings.Repeat(" more", 4000))
		refused := false
		c.wait(ada, "an ack or an error", func(tr *client.Tracker) bool {
			refused = tr.Errors["DATABASE_ERROR"] > 0
			return refused || tr.Session("s-1").Unacked() == 0
		})
		return refused
	})
	for n := range 2 {
		c.until("a pod that says why", func() bool {
			status, _, body := c.call(n, http.MethodGet, "/readyz", "")
			causes, _ := body["causes"].(map[string]any)
			return status == http.StatusServiceUnavailable && causes["mongodb"] == "cannot save to disk"
		})
	}
	full := c.history("ada", "s-1")
	require.GreaterOrEqual(t, len(full), len(before))
	assert.Equal(t, before, full[:len(before)])

	require.NoError(t, os.Remove(filepath.Join(disk, "ballast")))
	for n := range 2 {
		c.until("readiness", func() bool {
			status, _, _ := c.call(n, http.MethodGet, "/readyz", "")
			return status == http.StatusOK
		})
	}
	bob := c.device("bob", "s-2", c.podURL(1))
	c.answered(bob, "s-2", c.say(bob, "s-2", "hello [[words=2]]"))
	c.acked(ada, "s-1", c.say(ada, "s-1", "again [[words=1]]"))
}

// smallDisk is a file system of the test's own.
func smallDisk(t *testing.T) string {
	t.Helper()
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("NOT RUN: takes a mount, which takes root on Linux")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("NOT RUN: this machine lets nothing be mounted: %v", err)
	}
	t.Cleanup(func() { assert.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	return dir
}

// fill writes a file until no byte is left.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	for piece := make([]byte, 4096); err == nil; {
		_, err = f.Write(piece)
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NoError(t, f.Close())
}
