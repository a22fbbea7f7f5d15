package app

import (
	"fmt"
	"math"

	"chatbox/app/config"
)

// reservedFiles is how many files a pod opens besides its clients' connections:
// connections to Redis, the history, models and alert receivers.
const reservedFiles = 1024

// DoubtFiles returns a warning if this process may open fewer files than a pod
// with the settings needs; otherwise, or if the limit is not known, "".
func DoubtFiles(cfg config.Config) string {
	limit, known := openFiles()
	if !known {
		return ""
	}
	return doubtFiles(limit, cfg.Limits.Connections, cfg.Limits.Unknown)
}

// doubtFiles returns a warning if the process may open fewer files than its
// limits on sockets and on connections without a credential add up to; otherwise
// "".
func doubtFiles(limit uint64, sockets, unknown int) string {
	need := int64(sockets) + int64(unknown) + reservedFiles
	if int64(min(limit, math.MaxInt64)) >= need {
		return ""
	}
	return fmt.Sprintf("this process may open %d files (nofile) and may need %d: MAX_CONNECTIONS is %d, MAX_UNAUTHENTICATED %d, and %d are for servers; "+
		"raise the limit (ulimit -n, LimitNOFILE) or lower these", limit, need, sockets, unknown, reservedFiles)
}
