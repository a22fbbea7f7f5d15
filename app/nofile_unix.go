//go:build unix

package app

import "syscall"

// openFiles is how many files and sockets this process may have open. Go has
// raised the soft limit to the hard one before main begins.
func openFiles() (limit uint64, known bool) {
	var r syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r) != nil {
		return 0, false
	}
	return uint64(r.Cur), true //nolint:unconvert // signed on FreeBSD
}
