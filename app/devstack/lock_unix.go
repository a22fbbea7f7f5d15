//go:build unix

package devstack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// lockFolder creates the data directory and locks it for this process, because
// two stacks in one directory would write to the same history. The lock ends with
// release or with the process, even after a crash. The lock file names the
// holder.
func lockFolder(dir, who string) (release func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil { //nolint:gosec // the operator named the folder
		return nil, fmt.Errorf("data folder: %w", err)
	}
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the same
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		owner, _ := os.ReadFile(path) //nolint:gosec // the same
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("the data folder %s is in use by %s; stop that process, or choose another folder with --data",
				dir, orElse(strings.TrimSpace(string(owner)), "another process"))
		}
		return nil, fmt.Errorf("data folder: lock: %w", err)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintf(f, "process %d, %s\n", os.Getpid(), who)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("data folder: %w", err), f.Close())
	}
	return f.Close, nil // closing releases the lock
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
