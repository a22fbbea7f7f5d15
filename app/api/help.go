package api

import (
	"context"
	"strconv"
	"time"

	"chatbox"
	"chatbox/hub"
)

// What people read of a request for help.
const (
	helpSent    = "Help request sent. Somebody will be with you as soon as possible."
	helpAsked   = "A user asks for help."
	helpUntold  = "A user asks for help, and one of the ways to tell the team of it has failed."
	talkRated   = "A user has rated a talk."
	toldYours   = "A session was assigned to you."
	otherNotice = "Something in a session wants attention."
)

// help serves help_request: a durable event like a message, confirmed to the
// socket that asked, after its ack.
func (s *Server) help(ctx context.Context, conn *hub.Conn, cmd command) error {
	durable := cmd.durable().Clean()
	if err := durable.Validate(); err != nil {
		return err
	}
	sessionID, err := s.deps.Conversations.Help(ctx, conn, durable)
	if err != nil {
		return err
	}
	conn.Send(helpFrame(cmd.ID, sessionID, conn.Actor(), time.Now()))
	return nil
}

// helpFrame confirms a request for help, and echoes its id.
func helpFrame(id, sessionID string, a chatbox.Actor, now time.Time) []byte {
	content := helpSent
	return frame{
		Type: typeStatus, ID: id, SessionID: &sessionID, UserID: a.UserID, Sender: chatbox.SenderSystem, Content: &content,
		Timestamp: stamp(now), Metadata: map[string]string{metaEvent: chatbox.NoticeHelp},
	}.bytes()
}

// Notification is the frame by which staff is told something beside any
// session.
func Notification(n chatbox.Notice) []byte {
	content := otherNotice
	switch n.Event {
	case chatbox.NoticeHelp:
		content = helpAsked
	case chatbox.NoticeAssigned:
		content = toldYours
	case chatbox.NoticeAlertFailed:
		content = helpUntold
	case chatbox.NoticeRated:
		content = talkRated
	}
	f := frame{
		Type: typeNotice, SessionID: &n.SessionID, Sender: chatbox.SenderSystem, Content: &content, Timestamp: stamp(n.Time),
		Metadata: map[string]string{metaEvent: n.Event, metaSession: n.SessionID, metaUser: n.UserID},
	}
	if n.Score != 0 {
		f.Metadata[fieldScore] = strconv.Itoa(n.Score)
	}
	if n.Channel != "" {
		f.Metadata[metaChannel] = n.Channel
	}
	if n.AdminID != "" {
		f.Metadata[chatbox.MetaAdminID] = n.AdminID
	}
	return f.bytes()
}
