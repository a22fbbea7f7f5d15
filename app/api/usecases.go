package api

import (
	"context"
	"time"

	"chatbox"
	"chatbox/app/conversation"
	"chatbox/app/history"
	"chatbox/app/live"
	"chatbox/cluster"
	"chatbox/helpdesk"
)

// The interfaces of this file are all that the edge asks of the use cases, one
// for each of their packages. Those of the help desk are beside their routes.

// Live serves sockets.
type Live interface {
	Sockets
	Signs
	Watching

	Pods(ctx context.Context) ([]cluster.PodInfo, error)
}

// Sockets connects sockets to sessions. A socket's calls come from its worker,
// one at a time; Leave is the last.
type Sockets interface {
	// Connect registers the socket. chatbox.LimitExceeded: the user has as many
	// sockets as allowed, and nothing is left behind.
	Connect(ctx context.Context, a chatbox.Actor, id chatbox.ConnID) error
	Disconnect(ctx context.Context, a chatbox.Actor, id chatbox.ConnID)
	// MayAttach returns chatbox.NotFound if the session is not the caller's, as far as
	// that is known before a socket exists.
	MayAttach(ctx context.Context, a chatbox.Actor, sessionID string) error
	// Attach attaches the socket to the session and sends the events that it
	// missed after a place; nil: none.
	Attach(ctx context.Context, c live.Socket, sessionID string, after *int64) error
	Resume(ctx context.Context, c live.Socket, sessionID string, seq int64) error
	Leave(c live.Socket)
}

// Signs are sent to a session's other sockets and are not stored. An empty
// sessionID means the socket's current session.
type Signs interface {
	Typing(ctx context.Context, c live.Socket, sessionID string, on bool) error
	// Read records how far the caller has read.
	Read(ctx context.Context, c live.Socket, sessionID string, seq int64) error
}

// Watching lets staff read sessions live.
type Watching interface {
	// Watch attaches a socket of staff read-only; after is as in Attach.
	Watch(ctx context.Context, c live.Socket, id string, after *int64) error
	Unwatch(ctx context.Context, c live.Socket, id string) error
	// Renewed is called when the socket has a newer credential: it detaches the
	// socket from sessions that the new credential does not permit.
	Renewed(ctx context.Context, c live.Socket)
}

// Talks are what users and staff do in sessions.
type Talks interface {
	Posting
	Controls
	Rating
	Staffing
	Serving
}

// Posting adds to sessions.
type Posting interface {
	// Post makes a frame's command durable. Its effects reach sockets in the
	// session's order; only a refusal is returned.
	Post(ctx context.Context, c live.Socket, cmd chatbox.Command) error
	// PostMessage returns when the message is durable; a repeat returns the
	// first message.
	PostMessage(ctx context.Context, a chatbox.Actor, cmd chatbox.Command) (chatbox.Event, error)
	// Help posts a request for help and returns its session.
	Help(ctx context.Context, c live.Socket, cmd chatbox.Command) (sessionID string, err error)
}

// Controls act on a session's answers and its end. An empty sessionID of a socket
// means its current session.
type Controls interface {
	Cancel(ctx context.Context, c live.Socket, sessionID string) error
	Retry(ctx context.Context, c live.Socket, sessionID string) error
	End(ctx context.Context, a chatbox.Actor, id string) error
}

// Rating is how owners rate talks with people.
type Rating interface {
	// Rate returns the rating that stands.
	Rate(ctx context.Context, a chatbox.Actor, id string, score int, comment string) (chatbox.Rating, error)
	RatingOf(ctx context.Context, a chatbox.Actor, id string) (conversation.RatingView, error)
}

// Staffing makes staff the holders of sessions.
type Staffing interface {
	// TakeOver and HandBack change who holds the session, and no more;
	// JoinSession and LeaveSession do so from a socket, whose attachment begins
	// and ends with it.
	TakeOver(ctx context.Context, a chatbox.Actor, id string) error
	HandBack(ctx context.Context, a chatbox.Actor, id string) error
	JoinSession(ctx context.Context, c live.Socket, frameID, id string) error
	LeaveSession(ctx context.Context, c live.Socket, frameID, id string) error
}

// Serving is what staff does in sessions over REST.
type Serving interface {
	// Transfer makes a connected colleague the holder instead of the caller.
	Transfer(ctx context.Context, a chatbox.Actor, id, to, name string) error
	// PostAsHolder is PostMessage into a session that the caller holds.
	PostAsHolder(ctx context.Context, a chatbox.Actor, cmd chatbox.Command) (chatbox.Event, error)
	EndAsStaff(ctx context.Context, a chatbox.Actor, id string) error
}

// History reads sessions.
type History interface {
	Library
	Sharing
	Overview
	AuditTrail
}

// Library is what users read of their own sessions.
type Library interface {
	Sessions(ctx context.Context, a chatbox.Actor, q chatbox.SessionQuery) (chatbox.SessionPage, error)
	History(ctx context.Context, a chatbox.Actor, id string, q chatbox.HistoryQuery) (chatbox.History, error)
	Rename(ctx context.Context, a chatbox.Actor, id, name string) (chatbox.Session, error)
}

// Sharing gives whole sessions to people outside.
type Sharing interface {
	// Export returns the session and its events, which are read while they are
	// written out.
	Export(ctx context.Context, a chatbox.Actor, id string) (chatbox.Session, history.Pages, error)
	// Share makes one more link to the session as it is now; Unshare revokes
	// all of them.
	Share(ctx context.Context, a chatbox.Actor, id string, life time.Duration) (token string, sh chatbox.Share, err error)
	Unshare(ctx context.Context, a chatbox.Actor, id string) error
	// Shared is what the token's holder may read; every invalid token is the same
	// chatbox.NotFound.
	Shared(ctx context.Context, token string) (chatbox.Share, history.Pages, error)
}

// Overview is what staff reads of all of a tenant's sessions.
type Overview interface {
	AllSessions(ctx context.Context, a chatbox.Actor, q helpdesk.StaffQuery) (helpdesk.StaffPage, error)
	UserSessions(ctx context.Context, a chatbox.Actor, q chatbox.SessionQuery) (chatbox.SessionPage, error)
	AnyHistory(ctx context.Context, a chatbox.Actor, id string, q chatbox.HistoryQuery) (chatbox.History, error)
	Previews(ctx context.Context, a chatbox.Actor, ids []string) ([]helpdesk.Preview, error)
	Metrics(ctx context.Context, a chatbox.Actor, from, to time.Time) (helpdesk.Metrics, error)
}

// AuditTrail is the record of staff's acts.
type AuditTrail interface {
	AuditEntries(ctx context.Context, a chatbox.Actor, q chatbox.AuditQuery) (chatbox.AuditPage, error)
	VerifyAudit(ctx context.Context, a chatbox.Actor) (chatbox.AuditVerdict, error)
}

// Privacy erases for good.
type Privacy interface {
	// Erase removes the session; its id is never used again.
	Erase(ctx context.Context, a chatbox.Actor, id string) error
	// ErasePerson erases the sessions that a person began with credentials issued
	// before the given time. done is false if the erasure continues in the
	// background.
	ErasePerson(ctx context.Context, a chatbox.Actor, userID string, before time.Time) (done bool, err error)
}

// Answers knows the models.
type Answers interface {
	Models() []chatbox.Model
}

// HelpDesk is what staff works with beside sessions, and what users learn of
// staff; all are required.
type HelpDesk struct {
	Notes   Notes
	Replies Replies
	Search  Searching
	Labels  Labelling
	Support Support
	Help    Help
	Team    Presence
}
