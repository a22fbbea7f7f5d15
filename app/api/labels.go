package api

import (
	"context"
	"encoding/json"
	"math"
	"time"

	"github.com/labstack/echo/v4"

	"chatbox"
	"chatbox/helpdesk"
)

// Labelling reads and changes the labels that staff put on sessions, and the
// counters.
type Labelling interface {
	// SetTags replaces the session's tags.
	SetTags(ctx context.Context, a chatbox.Actor, id string, tags []string) ([]string, error)
	// Assign assigns the session to a member of staff; an empty assignee removes
	// the assignment.
	Assign(ctx context.Context, a chatbox.Actor, id string, to chatbox.Assignee) (chatbox.Assignee, error)
	TagsInUse(ctx context.Context, a chatbox.Actor) ([]helpdesk.TagCount, error)
	Counters(ctx context.Context, a chatbox.Actor) (helpdesk.Counters, error)
}

const (
	fieldTags  = "tags"
	fieldTag   = "tag"
	fieldTo    = "assigned_to"
	fieldHeld  = "held_by"
	fieldWaits = "waiting"
)

// labelRoutes serve tags, assignments and counters.
type labelRoutes struct{ labels Labelling }

func (s *labelRoutes) register(e *edge) {
	p := e.cfg.Prefix
	e.echo.PUT(p+"/admin/sessions/:id/tags", s.setTags, e.user, e.admin)
	e.echo.PUT(p+"/admin/sessions/:id/assignee", s.assign, e.user, e.admin)
	e.echo.DELETE(p+"/admin/sessions/:id/assignee", s.unassign, e.user, e.admin)
	e.echo.GET(p+"/admin/tags", s.tagsInUse, e.user, e.staff)
	e.echo.GET(p+"/admin/counters", s.counters, e.user, e.staff)
}

// staffSessionView is a session as staff see it. Its owner never gets these
// fields.
type staffSessionView struct {
	sessionView

	UserName     string   `json:"user_name,omitempty"` // from the credential that began the session
	Tags         []string `json:"tags"`
	AssignedID   string   `json:"assigned_admin_id,omitempty"`
	AssignedName string   `json:"assigned_admin_name,omitempty"`
	WaitingSince string   `json:"waiting_since,omitempty"` // for a person
	Unread       int64    `json:"unread"`
}

// viewForStaff returns a session with the fields that only staff see.
func viewForStaff(s chatbox.Session) staffSessionView {
	v := staffSessionView{
		sessionView: viewSession(s), UserName: s.OwnerName, Tags: append([]string{}, s.Tags...),
		AssignedID: s.Assignee.ID, AssignedName: s.Assignee.Name, Unread: s.State.Unread,
	}
	v.Rating = viewRating(s.Rating)
	if since, waits := s.State.Waiting(); waits {
		v.WaitingSince = stamp(since)
	}
	return v
}

// labelParams parses the list filters for labels, holders and waiting.
func labelParams(c echo.Context, q *helpdesk.StaffQuery) (err error) {
	if q.Waiting, err = flagParam(c, fieldWaits); err != nil {
		return err
	}
	for _, who := range []struct {
		name string
		into *string
	}{{fieldTo, &q.Assigned}, {fieldHeld, &q.HeldBy}} {
		if *who.into = c.QueryParam(who.name); *who.into != "" && !chatbox.ValidUserID(*who.into) {
			return chatbox.Invalid(who.name, "cannot be an admin's")
		}
	}
	q.Tags, err = tagParams(c)
	return err
}

// tagParams parses the tags that a session must have, all of them.
func tagParams(c echo.Context) (tags []string, err error) {
	asked := c.QueryParams()[fieldTag]
	if len(asked) > helpdesk.MaxTags {
		return nil, chatbox.Invalid(fieldTag, "is given more than 20 times")
	}
	for _, tag := range asked {
		if tag, err = helpdesk.CheckTag(fieldTag, tag); err != nil {
			return nil, err
		}
		tags = append(tags, tag)
	}
	return tags, nil
}

type tagged struct {
	SessionID string   `json:"session_id"`
	Tags      []string `json:"tags"`
}

// setTags serves PUT /admin/sessions/{id}/tags {tags}.
func (s *labelRoutes) setTags(c echo.Context) error {
	id, err := sessionParam(c)
	if err != nil {
		return err
	}
	var tags []string
	given := false
	err = fields{fieldTags: func(raw json.RawMessage) (err error) {
		given = true
		tags, err = texts(fieldTags, raw)
		return err
	}}.read(c)
	if err == nil && !given {
		err = chatbox.Missing(fieldTags)
	}
	if err != nil {
		return err
	}
	if tags, err = s.labels.SetTags(c.Request().Context(), actorOf(c), id, tags); err != nil {
		return err
	}
	return reply(c, tagged{SessionID: id, Tags: append([]string{}, tags...)})
}

// texts parses a list of strings.
func texts(name string, raw json.RawMessage) ([]string, error) {
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		return nil, chatbox.Invalid(name, "must be a list of strings")
	}
	out := make([]string, len(items))
	for i, item := range items {
		var err error
		if out[i], err = text(name, item); err != nil {
			return nil, err
		}
	}
	return out, nil
}

type assigned struct {
	SessionID string `json:"session_id"`
	AdminID   string `json:"assigned_admin_id"`
	AdminName string `json:"assigned_admin_name"`
}

// assign serves PUT /admin/sessions/{id}/assignee {admin_id, admin_name?}.
func (s *labelRoutes) assign(c echo.Context) error {
	id, err := sessionParam(c)
	if err != nil {
		return err
	}
	var to chatbox.Assignee
	err = fields{
		chatbox.MetaAdminID:   textField(chatbox.MetaAdminID, &to.ID),
		chatbox.MetaAdminName: textField(chatbox.MetaAdminName, &to.Name),
	}.read(c)
	if err == nil && !to.Has() {
		err = chatbox.Missing(chatbox.MetaAdminID)
	}
	if err != nil {
		return err
	}
	return s.assignTo(c, id, to)
}

// unassign serves DELETE /admin/sessions/{id}/assignee, which is idempotent.
func (s *labelRoutes) unassign(c echo.Context) error {
	id, err := sessionParam(c)
	if err != nil {
		return err
	}
	return s.assignTo(c, id, chatbox.Assignee{})
}

func (s *labelRoutes) assignTo(c echo.Context, id string, to chatbox.Assignee) error {
	to, err := s.labels.Assign(c.Request().Context(), actorOf(c), id, to)
	if err != nil {
		return err
	}
	return reply(c, assigned{SessionID: id, AdminID: to.ID, AdminName: to.Name})
}

type tagCount struct {
	Tag      string `json:"tag"`
	Sessions int64  `json:"sessions"`
}

// tagsInUse serves GET /admin/tags.
func (s *labelRoutes) tagsInUse(c echo.Context) error {
	tags, err := s.labels.TagsInUse(c.Request().Context(), actorOf(c))
	if err != nil {
		return err
	}
	return reply(c, map[string]any{fieldTags: views(tags, func(t helpdesk.TagCount) tagCount { return tagCount(t) })})
}

type counts struct {
	Waiting         int64  `json:"waiting"`
	LongestWait     int64  `json:"longest_wait_seconds"`
	Oldest          string `json:"oldest_waiting_session,omitempty"`
	Mine            int64  `json:"mine"`
	MineUnread      int64  `json:"mine_unread"`
	Assigned        int64  `json:"assigned"`
	AssignedWaiting int64  `json:"assigned_waiting"`
}

// counters serves GET /admin/counters.
func (s *labelRoutes) counters(c echo.Context) error {
	n, err := s.labels.Counters(c.Request().Context(), actorOf(c))
	if err != nil {
		return err
	}
	return reply(c, viewCounters(n, time.Now()))
}

func viewCounters(n helpdesk.Counters, now time.Time) counts {
	v := counts{
		Waiting: n.Waiting, Oldest: n.Oldest, Mine: n.Held, MineUnread: n.HeldUnread,
		Assigned: n.Assigned, AssignedWaiting: n.AssignedWaiting,
	}
	if !n.Since.IsZero() { // pods' clocks may differ
		v.LongestWait = int64(math.Max(0, now.Sub(n.Since).Seconds()))
	}
	return v
}
