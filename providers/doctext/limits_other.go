//go:build !linux

package doctext

import (
	"io/fs"
	"runtime"
	"runtime/debug"
	"syscall"
)

// attributes are those of a helper.
func attributes() *syscall.SysProcAttr { return nil }

// limit does what it can: pods run on Linux, other systems are for development.
func limit(memory int64, _ uint64, _ bool) error {
	runtime.GOMAXPROCS(1)
	debug.SetMemoryLimit(memory / 2)
	return nil
}

// mine trusts the mode of the directory.
func mine(fs.FileInfo) bool { return true }
