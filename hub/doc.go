// Package hub holds the sockets of one pod and nothing else: it reads frames,
// writes frames, bounds what a socket may cost and notices when it is gone.
// It knows neither sessions' rules nor stores nor other pods.
//
// An idle socket costs one goroutine, its reader. A worker and a writer exist
// only while a frame is processed or written; pings, deadlines and expiring
// credentials of all sockets are one ticker's, [Hub.Run].
package hub
