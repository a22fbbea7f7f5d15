package doctext

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
)

// Limits of a helper besides memory and time.
const (
	helperNice  = 10
	helperFiles = 64
	// addresses is the bound of a helper's address space in bytes. Go reserves far
	// more than it uses, so RLIMIT_DATA is what bounds the memory.
	addresses = 4 << 30
	// compiledMost bounds the file that compiling writes.
	compiledMost = 64 << 20
	// noNewPrivileges is PR_SET_NO_NEW_PRIVS.
	noNewPrivileges = 38
)

// attributes are those of a helper: it dies with the pod, and signals that a
// terminal sends to the pod do not reach it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// limit takes from this process what a helper does not need, before it reads.
func limit(memory int64, seconds uint64, writes bool) error {
	runtime.GOMAXPROCS(1)
	debug.SetMemoryLimit(memory / 2)
	// The kernel rather kills a helper than the pod. It may be forbidden to say so.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, helperNice); err != nil {
		return fmt.Errorf("priority: %w", err)
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, noNewPrivileges, 1, 0); errno != 0 {
		return fmt.Errorf("privileges: %w", errno)
	}
	size := uint64(0)
	if writes {
		size = compiledMost
	}
	for _, l := range []struct {
		resource int
		most     uint64
	}{
		{syscall.RLIMIT_DATA, shadowed(uint64(memory))}, //nolint:gosec // positive
		{syscall.RLIMIT_AS, shadowed(addresses)},
		{syscall.RLIMIT_CPU, seconds + 1}, // so that it is seen to have used more than seconds
		{syscall.RLIMIT_FSIZE, size},
		{syscall.RLIMIT_CORE, 0},
		{syscall.RLIMIT_NOFILE, helperFiles},
	} {
		if err := syscall.Setrlimit(l.resource, &syscall.Rlimit{Cur: l.most, Max: l.most}); err != nil {
			return fmt.Errorf("limit %d: %w", l.resource, err)
		}
	}
	return nil
}

// shadowed returns the limit, or none for a program with the race detector, whose
// shadow memory counts and is terabytes.
func shadowed(most uint64) uint64 {
	if raceDetector {
		return math.MaxUint64 // RLIM_INFINITY
	}
	return most
}

// mine reports whether the file belongs to this user.
func mine(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid()
}
