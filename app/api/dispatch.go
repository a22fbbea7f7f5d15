package api

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"chatbox"
	"chatbox/hub"
)

// frameHandler handles frames of one type.
type frameHandler func(ctx context.Context, conn *hub.Conn, cmd command) error

// frameHandlers is the table of the frames that clients may send
// (docs/protocol/README.md).
func (s *sockets) frameHandlers() map[string]frameHandler {
	file := s.post
	if s.deps.Files == nil {
		file = unsupported
	}
	return map[string]frameHandler{
		string(chatbox.TypeUserMessage):  s.post,
		string(chatbox.TypeModelSelect):  s.post,
		string(chatbox.TypeHelpRequest):  s.help,
		typeResume:                       s.resume,
		typePing:                         s.pong,
		typeCancel:                       s.cancel,
		typeRetry:                        s.retry,
		typeTyping:                       s.typing,
		typeAuth:                         s.renew,
		string(chatbox.TypeAdminJoin):    s.staffTurn(s.joinSession),
		string(chatbox.TypeAdminLeave):   s.staffTurn(s.leaveSession),
		typeWatch:                        s.staffTurn(s.watch),
		typeUnwatch:                      s.staffTurn(s.unwatch),
		typeRead:                         s.read,
		string(chatbox.TypeFileUpload):   file,
		string(chatbox.TypeVoiceMessage): file,
	}
}

// onFrame handles a socket's frames one after the other, at the pace of the
// socket's user. Errors are sent to this socket only.
func (s *sockets) onFrame(conn *hub.Conn) hub.OnFrame {
	return func(ctx context.Context, raw []byte, binary bool) {
		if !s.turns.frame(ctx, conn.Actor().User()) {
			return // the socket has ended
		}
		var cmd command
		err := error(chatbox.Invalid(fieldFrame, "must be text, not binary"))
		if !binary {
			cmd, err = decode(raw)
		}
		if cmd.announces() {
			conn.Announce()
		}
		if err == nil {
			err = s.dispatch(ctx, conn, cmd)
		}
		if err != nil {
			s.refuse(ctx, conn, cmd, "frame", err)
		}
		if errors.Is(err, chatbox.RateLimited) {
			s.turns.refused(ctx, conn.Actor().User())
		}
	}
}

func (s *sockets) dispatch(ctx context.Context, conn *hub.Conn, cmd command) error {
	handle, known := s.frames[cmd.Type]
	switch {
	case !known:
		return chatbox.Invalid(fieldType, "is not known")
	case cmd.ID != "" && !chatbox.ValidMessageID(cmd.ID):
		return chatbox.Invalid(fieldID, "must be 1-64 of A-Z a-z 0-9 . _ : - and not begin with ans_")
	case cmd.SessionID != "" && !chatbox.NameableSession(cmd.SessionID):
		return chatbox.BadSessionID()
	}
	return handle(ctx, conn, cmd)
}

// refuse sends the socket the reason why its frame had no effect.
func (s *sockets) refuse(ctx context.Context, conn *hub.Conn, cmd command, doing string, err error) {
	s.report(ctx, err, doing)
	s.refusals.note(ctx, err, slog.String("frame", doing))
	id, sessionID := cmd.echo()
	conn.Send(errorFrame(id, sessionID, err, time.Now()))
}

func (s *sockets) post(ctx context.Context, conn *hub.Conn, cmd command) error {
	durable := cmd.durable().Clean()
	if err := durable.Validate(); err != nil {
		return err
	}
	return s.deps.Talks.Post(ctx, conn, durable)
}

func (s *sockets) resume(ctx context.Context, conn *hub.Conn, cmd command) error {
	if cmd.Seq == nil {
		return chatbox.Missing(fieldSeq)
	}
	return s.deps.Live.Resume(ctx, conn, cmd.SessionID, *cmd.Seq)
}

func (s *sockets) cancel(ctx context.Context, conn *hub.Conn, cmd command) error {
	return s.deps.Talks.Cancel(ctx, conn, cmd.SessionID)
}

func (s *sockets) retry(ctx context.Context, conn *hub.Conn, cmd command) error {
	return s.deps.Talks.Retry(ctx, conn, cmd.SessionID)
}

func (s *sockets) typing(ctx context.Context, conn *hub.Conn, cmd command) error {
	state, given := cmd.Metadata[metaState]
	switch {
	case !given:
		return chatbox.Missing("metadata.state")
	case state != stateStart && state != stateStop:
		return chatbox.Invalid("metadata.state", "must be start or stop")
	}
	return s.deps.Live.Typing(ctx, conn, cmd.SessionID, state == stateStart)
}

func (s *sockets) read(ctx context.Context, conn *hub.Conn, cmd command) error {
	if cmd.Seq == nil {
		return chatbox.Missing(fieldSeq)
	}
	return s.deps.Live.Read(ctx, conn, cmd.SessionID, *cmd.Seq)
}

func (s *sockets) pong(_ context.Context, conn *hub.Conn, cmd command) error {
	conn.Send(pongFrame(cmd.ID, time.Now()))
	return nil
}

func unsupported(context.Context, *hub.Conn, command) error {
	return chatbox.Invalid(fieldType, "is not supported without a file store")
}
