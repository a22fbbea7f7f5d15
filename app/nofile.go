package app

import (
	"fmt"
	"math"
)

// reservedFiles is what a pod opens beside its clients' connections: those to
// Redis, the history, models and staff.
const reservedFiles = 1024

// doubtFiles says what is wrong where a process may open fewer files than its
// clients may have sockets, and connections without a credential beside them;
// or nothing.
func doubtFiles(limit uint64, sockets, unknown int) string {
	need := int64(sockets) + int64(unknown) + reservedFiles
	if int64(min(limit, math.MaxInt64)) >= need {
		return ""
	}
	return fmt.Sprintf("this process may open %d files (nofile) and may need %d: MAX_CONNECTIONS is %d, MAX_UNAUTHENTICATED %d, and %d are for servers; "+
		"raise the limit (ulimit -n, LimitNOFILE) or lower these", limit, need, sockets, unknown, reservedFiles)
}
