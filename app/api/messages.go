package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/labstack/echo/v4"

	"chatbox"
)

const headerIdempotency = "Idempotency-Key"

type accepted struct {
	ID  string `json:"id"`
	Seq int64  `json:"seq"`
}

// postMessage serves POST /sessions/{id}/messages, the user_message frame for
// clients without a socket. It responds once the message is durable. The model's
// answer appears in the history.
func (s *sessionRoutes) postMessage(c echo.Context) error {
	return postWith(c, s.posting.PostMessage)
}

// postWith parses a message's body and posts it.
func postWith(c echo.Context, post func(context.Context, chatbox.Actor, chatbox.Command) (chatbox.Event, error)) error {
	cmd := chatbox.Command{Type: chatbox.TypeUserMessage}
	var err error
	if cmd.SessionID, err = sessionParam(c); err != nil {
		return err
	}
	err = fields{
		fieldID:      textField(fieldID, &cmd.ID),
		fieldContent: textField(fieldContent, &cmd.Content),
		fieldFiles: func(raw json.RawMessage) (err error) {
			cmd.FileIDs, err = fileIDs(raw)
			return err
		},
		fieldMetadata: func(raw json.RawMessage) (err error) {
			cmd.Metadata, err = metadata(raw)
			return err
		},
	}.read(c)
	if err != nil {
		return err
	}
	switch key := c.Request().Header.Get(headerIdempotency); {
	case key == "":
	case cmd.ID == "":
		cmd.ID = key
	case cmd.ID != key:
		return chatbox.Invalid(fieldID, "is not what "+headerIdempotency+" says")
	}
	cmd = cmd.Clean()
	if err := cmd.Validate(); err != nil {
		return err
	}
	e, err := post(c.Request().Context(), actorOf(c), cmd)
	if err != nil {
		return err
	}
	return replyAs(c, http.StatusAccepted, accepted{ID: e.ID, Seq: e.Seq})
}
