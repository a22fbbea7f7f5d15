package api

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"chatbox"
)

// sessionView is the schema Session of docs/protocol/openapi.yaml.
type sessionView struct {
	ID            string `json:"id"`
	SessionID     string `json:"session_id"`
	UserID        string `json:"user_id"`
	Name          string `json:"name"`
	Status        string `json:"status"`
	IsActive      bool   `json:"is_active"`
	StartTime     string `json:"start_time"`
	EndTime       string `json:"end_time,omitempty"`
	LastActivity  string `json:"last_activity"`
	Duration      int64  `json:"duration"` // seconds
	MessageCount  int64  `json:"message_count"`
	TotalTokens   int64  `json:"total_tokens"`
	MaxResponse   int64  `json:"max_response_time"` // milliseconds
	AvgResponse   int64  `json:"avg_response_time"` // milliseconds
	AdminAssisted bool   `json:"admin_assisted"`
	AdminID       string `json:"assisting_admin_id,omitempty"`
	AdminName     string `json:"assisting_admin_name,omitempty"`
	HelpRequested bool   `json:"help_requested"`
	ModelID       string `json:"model_id,omitempty"`
	Unreadable    bool   `json:"unreadable,omitempty"` // no key opens the fields, which are empty

	Rating *ratingView `json:"rating,omitempty"` // only for staff
}

// Statuses of a session.
const (
	statusActive = "active"
	statusEnded  = "ended"
)

func statusOf(s chatbox.Session) string {
	if s.State.Ended {
		return statusEnded
	}
	return statusActive
}

func viewSession(s chatbox.Session) sessionView {
	st := s.State
	last := st.LastActivity
	if last.Before(s.CreatedAt) {
		last = s.CreatedAt
	}
	v := sessionView{
		ID: s.Key.ID, SessionID: s.Key.ID, UserID: s.Owner, Name: s.Name, Status: statusOf(s), IsActive: !st.Ended,
		StartTime: stamp(s.CreatedAt), LastActivity: stamp(last), MessageCount: st.Messages(), TotalTokens: st.Tokens,
		MaxResponse: st.ResponseMax, AvgResponse: st.AvgResponse(), AdminAssisted: st.AdminAssisted,
		AdminID: cmp.Or(st.HolderID, st.AssistantID), AdminName: st.HolderName, HelpRequested: st.HelpRequested, ModelID: st.ModelID,
		Unreadable: s.Unreadable,
	}
	end := last
	if st.Ended {
		end, v.EndTime = st.EndedAt, stamp(st.EndedAt)
	}
	v.Duration = int64(max(0, end.Sub(s.CreatedAt)) / time.Second)
	return v
}

// views renders a list. An empty list is [], never null.
func views[T, V any](list []T, view func(T) V) []V {
	out := make([]V, 0, len(list))
	for _, t := range list {
		out = append(out, view(t))
	}
	return out
}

// reply writes a response with status 200.
func reply(c echo.Context, body any) error { return replyAs(c, http.StatusOK, body) }

// replyAs writes a response without HTML escapes.
func replyAs(c echo.Context, status int, body any) error {
	c.Response().Header().Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	c.Response().WriteHeader(status)
	enc := json.NewEncoder(c.Response())
	enc.SetEscapeHTML(false)
	return enc.Encode(body)
}

// intParam parses a query parameter in least..most. If it is absent, it returns
// or.
func intParam(c echo.Context, name string, least, most, or int64) (int64, error) {
	raw := c.QueryParam(name)
	if raw == "" {
		return or, nil
	}
	n, err := strconv.ParseInt(raw, 10, 64)
	if err != nil || n < least || n > most || raw[0] == '+' {
		return 0, chatbox.Invalid(name, "must be a whole number from "+
			strconv.FormatInt(least, 10)+" to "+strconv.FormatInt(most, 10))
	}
	return n, nil
}
