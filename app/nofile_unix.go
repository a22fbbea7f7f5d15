//go:build unix

package app

import "syscall"

// openFiles returns how many files and sockets this process may open. Go raises
// the soft limit to the hard limit before main begins.
func openFiles() (limit uint64, known bool) {
	var r syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r) != nil {
		return 0, false
	}
	return uint64(r.Cur), true //nolint:unconvert // signed on FreeBSD
}
