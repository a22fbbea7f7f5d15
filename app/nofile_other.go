//go:build !unix

package app

// openFiles is unknown on this system.
func openFiles() (limit uint64, known bool) { return 0, false }
