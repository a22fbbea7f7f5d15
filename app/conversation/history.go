package conversation

import "chatbox"

// Socket is one connected client, as far as the use cases need to know it.
type Socket interface {
	ID() chatbox.ConnID
	Actor() chatbox.Actor
}

// HistoryQuery asks for one page of a session's events, oldest first. Without
// bounds it is the newest Limit; with AfterSeq the first ones after it; with
// BeforeSeq the last ones before it.
type HistoryQuery struct {
	Limit     int   // 1-500
	BeforeSeq int64 // 0: not given
	AfterSeq  int64 // -1: not given
}

// History is a page of a session. Truncated says that there are more events
// within the asked bounds.
type History struct {
	Session   chatbox.Session
	Events    []chatbox.Event
	Truncated bool
}
