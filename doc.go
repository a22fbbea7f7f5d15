// Package chatbox is the domain of a chat cluster: sessions in which people, a
// language model and staff talk, and the rules that hold between them. It does
// no I/O and knows no technology; everything else in the module depends on it
// and it depends on the standard library alone.
//
// A session is one totally ordered log of durable events. Whatever is true of
// a session (who holds it, whether it ended, how many tokens it used) is a
// fold over that log: see [State.Apply]. Copies of the fold in Redis and in
// the session's document are caches.
//
// One message is best read in this order: app/api/ws.go (accept), hub/read.go
// (read), app/api/decode.go (decode), [Command.Validate], app/conversation/post.go
// (decide, persist, publish), redisstate/scripts/publish.lua (make visible),
// app/conversation/follow.go and hub/feed.go (deliver and ack in order),
// app/conversation/reply.go (claim the turn, stream the model's answer, finish).
package chatbox
