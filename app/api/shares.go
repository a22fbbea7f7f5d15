package api

import (
	"encoding/json"
	"time"

	"github.com/labstack/echo/v4"

	"chatbox"
)

// Default and maximum lifetime of a share.
const (
	shareLife = 7 * 24 * time.Hour
	shareMost = 365 * 24 * time.Hour
)

const fieldExpiresIn = "expires_in"

type shareView struct {
	Token     string `json:"share_token"`
	ExpiresAt string `json:"expires_at"`
}

// shareSession serves POST /sessions/{id}/share: it creates a link that expires.
func (s *transcriptRoutes) shareSession(c echo.Context) error {
	id, err := sessionParam(c)
	if err != nil {
		return err
	}
	life := shareLife
	err = fields{fieldExpiresIn: func(raw json.RawMessage) error {
		seconds, err := integer(fieldExpiresIn, raw)
		if err != nil || *seconds < 1 || *seconds > int64(shareMost/time.Second) {
			return chatbox.Invalid(fieldExpiresIn, "must be a whole number of seconds from 1 to 31536000")
		}
		life = time.Duration(*seconds) * time.Second
		return nil
	}}.read(c)
	if err != nil {
		return err
	}
	token, sh, err := s.sharing.Share(c.Request().Context(), actorOf(c), id, life)
	if err != nil {
		return err
	}
	return reply(c, shareView{Token: token, ExpiresAt: stamp(sh.ExpiresAt)})
}

// unshareSession serves DELETE /sessions/{id}/share, which is idempotent.
func (s *transcriptRoutes) unshareSession(c echo.Context) error {
	id, err := sessionParam(c)
	if err != nil {
		return err
	}
	if err := s.sharing.Unshare(c.Request().Context(), actorOf(c), id); err != nil {
		return err
	}
	return reply(c, map[string]string{"status": "revoked"})
}

type sharedHead struct {
	SessionID string `json:"session_id"`
	Name      string `json:"name"`

	Unreadable bool `json:"unreadable,omitempty"` // refers to the name
}

// shared serves GET /shared/{token} to anyone: the session as it was when the
// share was made. The token is the only credential and is never logged.
func (s *transcriptRoutes) shared(c echo.Context) error {
	c.Response().Header().Set("X-Robots-Tag", "noindex")
	sh, pages, err := s.sharing.Shared(c.Request().Context(), c.Param("token"))
	if err != nil {
		return err
	}
	head := sharedHead{SessionID: sh.Session.ID, Name: sh.Name, Unreadable: sh.Unreadable}
	return s.stream(c, echo.MIMEApplicationJSON, &jsonTranscript{view: s.view.shared, shows: hasWords, head: head}, pages)
}
