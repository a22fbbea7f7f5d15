package conversation

import "chatbox"

// Socket is one connected client, as far as the use cases need to know it.
type Socket interface {
	ID() chatbox.ConnID
	Actor() chatbox.Actor
}

// Words of the domain that callers of the use cases meet in their signatures.
type (
	SessionQuery = chatbox.SessionQuery
	SessionPage  = chatbox.SessionPage
	HistoryQuery = chatbox.HistoryQuery
	History      = chatbox.History
	PodInfo      = chatbox.PodInfo
)
