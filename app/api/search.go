package api

import (
	"context"

	"github.com/labstack/echo/v4"

	"chatbox"
	"chatbox/helpdesk"
)

// Searching is staff's full-text search.
type Searching interface {
	// Search finds messages by their words, or sessions if no words are given.
	Search(ctx context.Context, a chatbox.Actor, q helpdesk.SearchQuery) (helpdesk.SearchPage, error)
}

const defaultFound = 20 // hits per page

// searchRoutes serve the search of staff.
type searchRoutes struct{ finder Searching }

func (s *searchRoutes) register(e *edge) {
	p := e.cfg.Prefix
	e.echo.GET(p+"/admin/search", s.search, e.signedIn, e.staff, e.query) // searches wait for lanes of their own
}

type foundMessage struct {
	ID        string `json:"id"`
	Seq       int64  `json:"seq"`
	Sender    string `json:"sender"`
	Timestamp string `json:"timestamp"`
	Excerpt   string `json:"excerpt"`
}

type foundView struct {
	Session staffSessionView `json:"session"`
	Message *foundMessage    `json:"message,omitempty"`
}

type foundList struct {
	Results    []foundView `json:"results"`
	Count      int         `json:"count"`
	NextCursor string      `json:"next_cursor"`
	Words      string      `json:"words"`
}

// search serves GET /admin/search. A page may be short or empty although it is
// not the last; next_cursor decides.
func (s *searchRoutes) search(c echo.Context) error {
	q, err := searchQuery(c)
	if err != nil {
		return err
	}
	page, err := s.finder.Search(c.Request().Context(), actorOf(c), q)
	if err != nil {
		return err
	}
	indexed := "on"
	if page.WordsOff {
		indexed = "off"
	}
	return reply(c, foundList{
		Results: views(page.Hits, viewFound), Count: len(page.Hits), NextCursor: page.Next, Words: indexed,
	})
}

func searchQuery(c echo.Context) (q helpdesk.SearchQuery, err error) {
	q = helpdesk.SearchQuery{
		Words: c.QueryParam("q"), Name: c.QueryParam("name"), UserID: c.QueryParam("user_id"), Status: c.QueryParam("status"),
		Cursor: c.QueryParam("cursor"),
	}
	if q.UserID != "" && !chatbox.ValidUserID(q.UserID) {
		return q, chatbox.Invalid("user_id", "cannot be a user's")
	}
	if q.Status != "" && q.Status != statusActive && q.Status != statusEnded {
		return q, chatbox.Invalid("status", "must be active or ended")
	}
	if q.Tags, err = tagParams(c); err != nil {
		return q, err
	}
	if q.From, q.To, err = periodParams(c, [2]string{"from", "start_time"}, [2]string{"to", "end_time"}); err != nil {
		return q, err
	}
	limit, err := intParam(c, "limit", 1, helpdesk.MaxFound, defaultFound)
	q.Limit = int(limit)
	return q, err
}

func viewFound(h helpdesk.SearchHit) foundView {
	v := foundView{Session: viewForStaff(h.Session)}
	if e := h.Message; e != nil {
		v.Message = &foundMessage{
			ID: e.ID, Seq: e.Seq, Sender: string(e.Sender), Timestamp: stamp(e.Time), Excerpt: h.Excerpt,
		}
	}
	return v
}
