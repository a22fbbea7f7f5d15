// Package persistence stores the history in MongoDB or a server that speaks its
// protocol: sessions, their events and the turns that still need an answer. A
// [Keyring] seals what people wrote before it leaves the process.
//
// The package relies only on unique indexes, single-document compare-and-set and
// closed ranges. It therefore runs on a standalone server, on a replica set and,
// sharded by the ranged key {tenant, session}, on a sharded cluster.
//
// Package persistence/embedded stores the same data in one SQLite file.
package persistence
