package api

import (
	"context"
	"strconv"
	"time"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/hub"
)

// Texts that answer a request for help.
const (
	helpSent    = "Help request sent."
	helpSoon    = "Somebody will be with you as soon as possible."
	helpNobody  = "Nobody of our team is here just now; somebody will be with you as soon as possible."
	helpAsked   = "A user asks for help."
	helpUntold  = "A user asks for help, and one of the ways to tell the team of it has failed."
	talkRated   = "A user has rated a talk."
	toldYours   = "A session was assigned to you."
	nowYours    = "A colleague has handed a session over to you."
	otherNotice = "Something in a session wants attention."
)

// help serves help_request: it stores a durable event like a message and, after
// the ack, confirms the request to the requesting socket.
func (s *sockets) help(ctx context.Context, conn *hub.Conn, cmd command) error {
	durable := cmd.durable().Clean()
	if err := durable.Validate(); err != nil {
		return err
	}
	sessionID, err := s.deps.Talks.Help(ctx, conn, durable)
	if err != nil {
		return err
	}
	info := s.deps.HelpDesk.Help.HelpAsked(ctx, conn.ID(), conn.Actor(), sessionID)
	conn.Send(helpFrame(cmd.ID, info, conn.Actor(), time.Now()))
	return nil
}

// helpFrame confirms a request for help and echoes its id.
func helpFrame(id string, info helpdesk.HelpInfo, a chatbox.Actor, now time.Time) []byte {
	content := helpSent + " " + helpComes(info)
	f := frame{
		Type: typeStatus, ID: id, SessionID: &info.SessionID, UserID: a.UserID, Sender: chatbox.SenderSystem, Content: &content,
		Timestamp: stamp(now), Metadata: map[string]string{metaEvent: helpdesk.NoticeHelp},
	}
	if info.Reason != "" {
		f.Metadata[metaAvailable], f.Metadata[metaReason] = strconv.FormatBool(info.Available()), string(info.Reason)
	}
	if !info.OpensAt.IsZero() {
		f.Metadata[metaOpens] = stamp(info.OpensAt)
	}
	if info.Place != nil {
		addPlace(f.Metadata, *info.Place)
	}
	return f.bytes()
}

// helpComes returns the text that says who will help. If somebody holds the
// session already, it does not say that nobody is there.
func helpComes(info helpdesk.HelpInfo) string {
	switch {
	case info.Reason == "" || info.Available() || !info.Pending:
		return helpSoon
	case info.Message != "":
		return info.Message
	default:
		return helpNobody
	}
}

// Notification returns a frame that notifies staff of something outside any
// session.
func Notification(n helpdesk.Notice) []byte {
	content := otherNotice
	switch n.Event {
	case helpdesk.NoticeHelp:
		content = helpAsked
	case helpdesk.NoticeAssigned:
		content = toldYours
	case helpdesk.NoticeTransferred:
		content = nowYours
	case helpdesk.NoticeAlertFailed:
		content = helpUntold
	case helpdesk.NoticeRated:
		content = talkRated
	}
	f := frame{SessionID: &n.SessionID, Timestamp: stamp(n.Time)}
	f.notify(n.Event, content)
	f.Metadata[metaUser] = n.UserID
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
