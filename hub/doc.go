// Package hub manages the sockets of one pod: it reads and writes frames,
// limits the resources of each socket and detects dead ones. It knows no
// session rules, no stores and no other pods.
//
// An idle socket costs one goroutine, its reader. A worker and a writer exist
// only while a frame is processed or written. One ticker, [Hub.Run], handles
// the pings, deadlines and expiring credentials of all sockets.
package hub
