package api

import (
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"chatbox"
)

type disconnectView struct {
	Status string `json:"status"`
	UserID string `json:"user_id"`
	Before string `json:"before"` // tokens issued earlier are refused
}

// personRoutes shut users out and erase them.
type personRoutes struct {
	access  Access
	privacy Privacy
}

func (s *personRoutes) register(e *edge) {
	users := e.cfg.Prefix + "/admin/users/:id"
	e.echo.POST(users+"/disconnect", s.disconnectUser, e.user, e.admin)
	e.echo.DELETE(users, s.erasePerson, e.user, e.admin)
}

// disconnectUser serves POST /admin/users/{id}/disconnect for a user of the
// admin's tenant. The user need not have connected before.
func (s *personRoutes) disconnectUser(c echo.Context) error {
	id, err := userParam(c)
	if err != nil {
		return err
	}
	w, err := s.access.Disconnect(c.Request().Context(), actorOf(c), id)
	if err != nil {
		return err
	}
	return reply(c, disconnectView{Status: "disconnected", UserID: id, Before: stamp(w.Before)})
}

type erasedView struct {
	Status string `json:"status"`
	UserID string `json:"user_id"`
}

// erasePerson serves DELETE /admin/users/{id}, which is idempotent. It answers
// 200 once none of the person's data can be read, and 202 if the erasure
// continues in the background.
func (s *personRoutes) erasePerson(c echo.Context) error {
	id, err := userParam(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	withdrawal, err := s.access.Disconnect(ctx, actorOf(c), id)
	if err != nil {
		return err
	}
	done, err := s.privacy.ErasePerson(ctx, actorOf(c), id, withdrawal.Before)
	if err != nil {
		return err
	}
	if !done {
		return replyAs(c, http.StatusAccepted, erasedView{Status: "erasing", UserID: id})
	}
	return reply(c, erasedView{Status: "erased", UserID: id})
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
