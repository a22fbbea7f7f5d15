package api

import (
	"net/url"

	"github.com/labstack/echo/v4"

	"chatbox"
)

type disconnectView struct {
	Status string `json:"status"`
	UserID string `json:"user_id"`
	Before string `json:"before"` // tokens issued before are refused from now on
}

// disconnectUser serves POST /admin/users/{id}/disconnect: of the admin's own
// tenant, whether or not anybody by that name was ever here.
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

// userParam is the user of the path, whose name may hold anything: the router
// leaves it escaped where the path was.
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
