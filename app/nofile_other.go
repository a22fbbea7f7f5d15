//go:build !unix

package app

// openFiles is not known here.
func openFiles() (limit uint64, known bool) { return 0, false }
