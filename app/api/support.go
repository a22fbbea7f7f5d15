package api

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"chatbox"
	"chatbox/helpdesk"
)

// Support reports when a tenant's team is there, and the places of users in the
// queue.
type Support interface {
	Support(ctx context.Context, a chatbox.Actor) (helpdesk.EffectiveSettings, error)
	SetSupport(ctx context.Context, a chatbox.Actor, s helpdesk.Settings) (helpdesk.EffectiveSettings, error)
	ResetSupport(ctx context.Context, a chatbox.Actor) (helpdesk.EffectiveSettings, error)
}

// Help tells users whether staff is there and where they are in the queue.
type Help interface {
	// SupportNow returns whether the team is there and how many users wait.
	SupportNow(ctx context.Context, a chatbox.Actor) (now helpdesk.Availability, waiting int64, err error)
	HelpOf(ctx context.Context, a chatbox.Actor, id string) (helpdesk.HelpInfo, error)
	// HelpAsked is HelpOf without errors: it omits what it cannot find out at
	// once. The socket receives its place in the queue afterwards.
	HelpAsked(ctx context.Context, conn chatbox.ConnID, a chatbox.Actor, id string) helpdesk.HelpInfo
}

// Presence reports which staff are connected and available.
type Presence interface {
	// StaffArrived is called for an admin's socket before the socket's first
	// frame.
	StaffArrived(ctx context.Context, a chatbox.Actor)
	StaffOnline(ctx context.Context, a chatbox.Actor) ([]helpdesk.StaffOnline, error)
	SayAvailability(ctx context.Context, a chatbox.Actor, status helpdesk.StaffStatus) error
}

// supportRoutes serve the hours and the availability of the support team.
type supportRoutes struct {
	support Support
	help    Help
	team    Presence
}

func (s *supportRoutes) register(e *edge) {
	p := e.cfg.Prefix
	e.echo.GET(p+"/support", s.supportNow, e.user)
	e.echo.GET(p+"/sessions/:id/help", s.helpOf, e.user)
	e.echo.GET(p+"/admin/support", s.showSupport, e.user, e.staff)
	e.echo.PUT(p+"/admin/support", s.setSupport, e.user, e.admin)
	e.echo.DELETE(p+"/admin/support", s.resetSupport, e.user, e.admin)
	e.echo.GET(p+"/admin/staff", s.staffOnline, e.user, e.staff)
	e.echo.PUT(p+"/admin/availability", s.sayAvailability, e.user, e.admin)
}

type supportView struct {
	Hours       string   `json:"hours"`
	TimeZone    string   `json:"time_zone"`
	ClosedDays  []string `json:"closed_days"`
	AwayMessage string   `json:"away_message"`
	Source      string   `json:"source"`
	Open        bool     `json:"open"`
	OpensAt     string   `json:"opens_at,omitempty"`
	ClosesAt    string   `json:"closes_at,omitempty"`
}

func viewSupport(i helpdesk.EffectiveSettings) supportView {
	v := supportView{
		Hours: i.Hours, TimeZone: i.TimeZone, ClosedDays: i.ClosedDays, AwayMessage: i.AwayMessage, Source: "default",
		Open: i.Open, OpensAt: stampKnown(i.OpensAt), ClosesAt: stampKnown(i.ClosesAt),
	}
	if i.Custom {
		v.Source = "tenant"
	}
	return v
}

// stampKnown returns "" for an unknown time.
func stampKnown(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return stamp(t)
}

// showSupport serves GET /admin/support.
func (s *supportRoutes) showSupport(c echo.Context) error {
	info, err := s.support.Support(c.Request().Context(), actorOf(c))
	if err != nil {
		return err
	}
	return reply(c, viewSupport(info))
}

// setSupport serves PUT /admin/support {hours, time_zone, closed_days,
// away_message}. Absent members are set to empty.
func (s *supportRoutes) setSupport(c echo.Context) error {
	var set helpdesk.Settings
	err := fields{
		"hours":        textField("hours", &set.Hours),
		"time_zone":    textField("time_zone", &set.TimeZone),
		"away_message": textField("away_message", &set.AwayMessage),
		"closed_days": func(raw json.RawMessage) error {
			if json.Unmarshal(raw, &set.ClosedDays) != nil {
				return chatbox.Invalid("closed_days", "must be a list of dates such as 2026-12-24")
			}
			return nil
		},
	}.read(c)
	if err != nil {
		return err
	}
	info, err := s.support.SetSupport(c.Request().Context(), actorOf(c), set)
	if err != nil {
		return err
	}
	return reply(c, viewSupport(info))
}

// resetSupport serves DELETE /admin/support.
func (s *supportRoutes) resetSupport(c echo.Context) error {
	info, err := s.support.ResetSupport(c.Request().Context(), actorOf(c))
	if err != nil {
		return err
	}
	return reply(c, viewSupport(info))
}

type supportNowView struct {
	availabilityView

	Waiting int64 `json:"waiting"`
}

type availabilityView struct {
	Available bool            `json:"available"`
	Reason    helpdesk.Reason `json:"reason"`
	Message   string          `json:"message,omitempty"`
	OpensAt   string          `json:"opens_at,omitempty"`
}

func viewAvailability(a helpdesk.Availability) availabilityView {
	return availabilityView{Available: a.Available(), Reason: a.Reason, Message: a.Message, OpensAt: stampKnown(a.OpensAt)}
}

// supportNow serves GET /support.
func (s *supportRoutes) supportNow(c echo.Context) error {
	now, waiting, err := s.help.SupportNow(c.Request().Context(), actorOf(c))
	if err != nil {
		return err
	}
	return reply(c, supportNowView{viewAvailability(now), waiting})
}

type helpView struct {
	SessionID string `json:"session_id"`
	Requested bool   `json:"requested"`
	Waiting   bool   `json:"waiting"`
	Position  int    `json:"position,omitempty"`
	Exact     *bool  `json:"position_exact,omitempty"` // false: the place is farther back, or the user has only just arrived
	Ahead     *int   `json:"ahead,omitempty"`
	Since     string `json:"since,omitempty"`
	availabilityView
}

// helpOf serves GET /sessions/{id}/help.
func (s *supportRoutes) helpOf(c echo.Context) error {
	id, err := sessionParam(c)
	if err != nil {
		return err
	}
	info, err := s.help.HelpOf(c.Request().Context(), actorOf(c), id)
	if err != nil {
		return err
	}
	v := helpView{
		SessionID: info.SessionID, Requested: info.Requested, Waiting: info.Pending, Since: stampKnown(info.Since),
		availabilityView: viewAvailability(info.Availability),
	}
	if p := info.Place; p != nil {
		exact, ahead := !p.Beyond, p.Position-1
		v.Position, v.Exact, v.Ahead = p.Position, &exact, &ahead
	}
	return reply(c, v)
}

type staffView struct {
	AdminID   string               `json:"admin_id"`
	AdminName string               `json:"admin_name"`
	Status    helpdesk.StaffStatus `json:"status"`
	Holding   int                  `json:"holding"`
	Since     string               `json:"since"`
}

// staffOnline serves GET /admin/staff.
func (s *supportRoutes) staffOnline(c echo.Context) error {
	staff, err := s.team.StaffOnline(c.Request().Context(), actorOf(c))
	if err != nil {
		return err
	}
	view := func(m helpdesk.StaffOnline) staffView {
		return staffView{AdminID: m.User.ID, AdminName: m.Name, Status: m.Status, Holding: m.Holding, Since: stamp(m.Since)}
	}
	return reply(c, struct {
		Staff []staffView `json:"staff"`
		Count int         `json:"count"`
	}{views(staff, view), len(staff)})
}

// sayAvailability serves PUT /admin/availability {status}.
func (s *supportRoutes) sayAvailability(c echo.Context) error {
	var status string
	err := fields{"status": textField("status", &status)}.read(c)
	if err == nil && status == "" {
		err = chatbox.Missing("status")
	}
	if err != nil {
		return err
	}
	said := helpdesk.StaffStatus(status)
	if err := s.team.SayAvailability(c.Request().Context(), actorOf(c), said); err != nil {
		return err
	}
	return reply(c, struct {
		AdminID string               `json:"admin_id"`
		Status  helpdesk.StaffStatus `json:"status"`
	}{actorOf(c).UserID, said})
}

// fillPlace makes f a notification of the session's place in the queue.
func fillPlace(f *frame, p helpdesk.QueuePosition) {
	content := "You are number " + strconv.Itoa(p.Position) + " of " + strconv.Itoa(p.Waiting) + " in the queue."
	if p.Beyond {
		content = "There are " + strconv.Itoa(p.Position-1) + " people or more before you in the queue."
	}
	f.notify(helpdesk.EventPlace, content)
	addPlace(f.Metadata, p)
}

func addPlace(m map[string]string, p helpdesk.QueuePosition) {
	m[metaPosition], m[metaWaiting] = strconv.Itoa(p.Position), strconv.Itoa(p.Waiting)
	if p.Beyond {
		m[metaExact] = no
	}
}
