// Package persistence keeps the history: sessions, their events and the turns
// that still want an answer, in MongoDB or a server that speaks its protocol.
// What people wrote is sealed by a [Keyring] before it leaves the process.
//
// It relies on unique indexes, single-document compare-and-set and closed
// ranges only, so it runs on a standalone, a replica set and, sharded by the
// ranged key {tenant, session}, on a sharded cluster.
//
// Package persistence/embedded is the same on one SQLite file.
package persistence
