package api

import (
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"chatbox"
	"chatbox/helpdesk"
)

type previewView struct {
	SessionID string `json:"session_id"`
	Seq       int64  `json:"seq"`
	Type      string `json:"type"`
	Sender    string `json:"sender"`
	Timestamp string `json:"timestamp"`
	Excerpt   string `json:"excerpt"`
}

type previewList struct {
	Previews []previewView `json:"previews"`
	Count    int           `json:"count"`
}

// previews serves GET /admin/previews. The response omits sessions that are
// unknown or have no messages.
func (s *overviewRoutes) previews(c echo.Context) error {
	ids, err := previewed(c.QueryParam("sessions"))
	if err != nil {
		return err
	}
	found, err := s.overview.Previews(c.Request().Context(), actorOf(c), ids)
	if err != nil {
		return err
	}
	list := views(found, func(p helpdesk.Preview) previewView {
		return previewView{
			SessionID: p.SessionID, Seq: p.Seq, Type: string(p.Type), Sender: string(p.Sender), Timestamp: stamp(p.Time), Excerpt: p.Excerpt,
		}
	})
	return reply(c, previewList{Previews: list, Count: len(list)})
}

// previewed parses the comma-separated session ids and removes duplicates.
func previewed(raw string) (ids []string, err error) {
	if raw == "" {
		return nil, nil
	}
	for id := range strings.SplitSeq(raw, ",") {
		if !chatbox.ValidSessionID(id) {
			return nil, chatbox.Invalid("sessions", "has an id that cannot be a session's")
		}
		if slices.Contains(ids, id) {
			continue
		}
		if ids = append(ids, id); len(ids) > helpdesk.MaxPreviews {
			return nil, chatbox.Invalid("sessions", "names more than "+strconv.Itoa(helpdesk.MaxPreviews))
		}
	}
	return ids, nil
}
