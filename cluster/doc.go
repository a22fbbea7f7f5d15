// Package cluster holds what the pods of a cluster share about sessions while
// they are live, through Redis and within one pod: updates on the bus, pieces of
// running answers, the steps of an append, leases and claims, and the data with
// which sockets join. It does no I/O and depends on package chatbox and the
// standard library alone. The history does not know it.
package cluster
