// Package chatbox is the domain of a chat cluster: sessions in which people, a
// language model and staff talk, and the rules that hold between them. It does
// no I/O. Everything else in the module depends on it,
// and it depends on the standard library alone. The nouns of the help desk are
// in package chatbox/helpdesk, and what pods share while a session is live is in
// package chatbox/cluster; both depend on this one.
//
// A session is one totally ordered log of durable events. The state of
// a session (its holder, whether it has ended, its use of tokens) is a
// fold over that log: see [State.Apply]. Copies of the fold in Redis and in
// the session's document are caches.
//
// To follow one message, read in this order: app/api/ws.go (accept), hub/read.go
// (read), app/api/decode.go (decode), [Command.Validate], app/conversation/post.go
// (decide, store, publish), redisstate/scripts/publish.lua (make visible),
// app/live/follow.go and hub/feed.go (deliver and ack in order),
// app/answer/reply.go (claim the turn, stream the model's answer, finish).
package chatbox
