package api

import (
	"net/url"

	"github.com/labstack/echo/v4"

	"chatbox"
)

type disconnectView struct {
	Status string `json:"status"`
	UserID string `json:"user_id"`
	Before string `json:"before"` // tokens issued earlier are refused
}

// disconnectUser serves POST /admin/users/{id}/disconnect for a user of the
// admin's tenant. The user need not have connected before.
func (s *Server) disconnectUser(c echo.Context) error {
	id, err := userParam(c)
	if err != nil {
		return err
	}
	w, err := s.deps.Access.Disconnect(c.Request().Context(), actorOf(c), id)
	if err != nil {
		return err
	}
	return reply(c, disconnectView{Status: "disconnected", UserID: id, Before: stamp(w.Before)})
}

// userParam returns the user in the path. A user id may contain any character,
// and the router does not unescape it.
func userParam(c echo.Context) (string, error) {
	id := c.Param("id")
	if c.Request().URL.RawPath != "" {
		plain, err := url.PathUnescape(id)
		if err != nil {
			return "", chatbox.Invalid("id", "cannot be a user's")
		}
		id = plain
	}
	if !chatbox.ValidUserID(id) {
		return "", chatbox.Invalid("id", "cannot be a user's")
	}
	return id, nil
}
