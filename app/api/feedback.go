package api

import (
	"context"
	"encoding/json"

	"github.com/labstack/echo/v4"

	"chatbox"
)

const fieldValue = "value"

// Feedback takes the owner's feedback on an answer.
type Feedback interface {
	// Give returns the feedback that is stored; nil: none.
	Give(ctx context.Context, a chatbox.Actor, sessionID, answerID string, o chatbox.Opinion, comment string) (*chatbox.Feedback, error)
}

// feedbackRoutes take the owner's opinion of an answer.
type feedbackRoutes struct{ feedback Feedback }

func (s *feedbackRoutes) register(e *edge) {
	e.echo.PUT(e.cfg.Prefix+"/sessions/:id/messages/:answer/feedback", s.give, e.user)
}

// feedbackView is the schema Feedback of docs/protocol/openapi.yaml.
type feedbackView struct {
	Value   string `json:"value"`
	Comment string `json:"comment,omitempty"`
	GivenAt string `json:"given_at,omitempty"`
}

func viewFeedback(f *chatbox.Feedback) *feedbackView {
	if f == nil {
		return nil
	}
	return &feedbackView{Value: string(f.Opinion), Comment: f.Comment, GivenAt: stamp(f.Time)}
}

// given is the response: the feedback that is stored.
type given struct {
	SessionID string `json:"session_id"`
	MessageID string `json:"message_id"`
	feedbackView
}

// give serves PUT /sessions/{id}/messages/{answer}/feedback {value, comment?}.
func (s *feedbackRoutes) give(c echo.Context) error {
	id, err := sessionParam(c)
	if err != nil {
		return err
	}
	var value *string
	var comment string
	err = fields{
		fieldValue: func(raw json.RawMessage) error {
			value = new(string)
			return textField(fieldValue, value)(raw)
		},
		fieldComment: textField(fieldComment, &comment),
	}.read(c)
	if err == nil && value == nil {
		err = chatbox.Missing(fieldValue)
	}
	if err != nil {
		return err
	}
	answer := c.Param("answer")
	f, err := s.feedback.Give(c.Request().Context(), actorOf(c), id, answer, chatbox.Opinion(*value), comment)
	if err != nil {
		return err
	}
	out := given{SessionID: id, MessageID: answer, feedbackView: feedbackView{Value: *value}}
	if f != nil {
		out.feedbackView = *viewFeedback(f)
	}
	return reply(c, out)
}
