package api

import (
	"context"
	"time"

	"chatbox"
	"chatbox/hub"
)

// renew serves auth: a new token for the same user extends the socket's life and
// replaces its roles. After a refused token the socket keeps its old expiry.
func (s *sockets) renew(ctx context.Context, conn *hub.Conn, cmd command) error {
	if cmd.Token == "" {
		return chatbox.Missing(fieldToken)
	}
	actor, err := s.deps.Auth.Actor(ctx, cmd.Token)
	if err != nil {
		return ofToken(err)
	}
	if err := s.deps.Access.Allow(ctx, actor); err != nil {
		return ofToken(err)
	}
	if err := conn.Renew(actor); err != nil {
		return ofToken(err)
	}
	if s.deps.Access.ShutOut(actor) { // blocked or withdrawn meanwhile
		conn.Close(hub.CloseDisconnected, "disconnected by admin")
		return nil
	}
	s.deps.Hub.Regard(conn)
	s.deps.Live.Renewed(ctx, conn)
	now := time.Now()
	conn.ExpireAt(endOfCredential(actor, now))
	conn.Send(renewedFrame(cmd.ID, actor, conn.ID(), s.cfg.Pod, now))
	return nil
}

// ofToken adds the field's name to the error for a credential in a frame.
func ofToken(err error) error {
	s := show(err)
	return &chatbox.Error{
		Code: chatbox.CodeOf(err), Field: fieldToken, Message: fieldToken + ": " + s.message,
		RetryAfter: s.retryAfter, Err: err,
	}
}

// renewedFrame confirms a socket's new credential. It names no session, so that
// no client takes it for a change of the current session.
func renewedFrame(id string, a chatbox.Actor, conn chatbox.ConnID, pod chatbox.PodID, now time.Time) []byte {
	f := frame{
		Type: typeStatus, ID: id, UserID: a.UserID, Sender: chatbox.SenderSystem, Timestamp: stamp(now),
		Metadata: map[string]string{
			metaConnection: string(conn), metaPod: string(pod), metaProtocol: protocolVersion, metaEvent: eventRenewed,
		},
	}
	if !a.ExpiresAt.IsZero() {
		f.Metadata[metaExpires] = stamp(a.ExpiresAt)
	}
	return f.bytes()
}
