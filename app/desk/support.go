package desk

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"chatbox"
	"chatbox/helpdesk"
)

const (
	// settingsLife is how long a pod caches the settings. A change must reach all
	// pods within five seconds.
	settingsLife = 3 * time.Second
	// settingsSpare is how long it uses cached settings while the store is
	// unavailable.
	settingsSpare = 15 * time.Minute

	settingsID = "settings"
)

// Config configures Support.
type Config struct {
	Support helpdesk.Settings // for tenants without settings of their own
}

// SupportDeps are the ports of Support; all are required.
type SupportDeps struct {
	Cards  Cards
	Audit  Audit
	Logger *slog.Logger
}

// Support keeps the tenants' opening hours and away messages. It is safe for
// concurrent use.
type Support struct {
	SupportDeps

	cfg      Config
	settings *recent[settings]
}

// NewSupport returns a Support. It starts nothing.
func NewSupport(cfg Config, d SupportDeps) *Support {
	s := &Support{SupportDeps: d, cfg: cfg}
	s.settings = newRecent(settingsLife, settingsSpare, s.readSettings)
	return s
}

// settings are a tenant's settings, parsed for use.
type settings struct {
	helpdesk.Settings

	hours  helpdesk.Hours
	custom bool
}

func supportPile(tenant string) helpdesk.CardPile {
	return helpdesk.CardPile{Tenant: tenant, Kind: helpdesk.CardSupport}
}

// readSettings returns the tenant's own settings, or those of the environment.
func (s *Support) readSettings(ctx context.Context, tenant string) (settings, error) {
	given := s.cfg.Support
	c, err := s.Cards.Get(ctx, supportPile(tenant), settingsID)
	switch {
	case errors.Is(err, chatbox.NotFound):
		return settingsOf(given, false)
	case err != nil:
		return settings{}, err
	}
	var own helpdesk.Settings
	if err := json.Unmarshal(c.Body, &own); err != nil {
		s.Logger.WarnContext(ctx, "a tenant's settings cannot be read; using those of the environment", "tenant", tenant, "unreadable", c.Unreadable)
		return settingsOf(given, false)
	}
	return settingsOf(own, true)
}

func settingsOf(given helpdesk.Settings, custom bool) (settings, error) {
	clean, hours, err := given.Clean()
	if err != nil && custom { // this pod does not know the time zone
		err = chatbox.NewError(chatbox.StoreFailed, "", err)
	}
	return settings{Settings: clean, hours: hours, custom: custom}, err
}

// Support returns the tenant's settings and what follows from them now.
func (s *Support) Support(ctx context.Context, a chatbox.Actor) (helpdesk.EffectiveSettings, error) {
	if !a.Staff() {
		return helpdesk.EffectiveSettings{}, notStaff()
	}
	set, err := s.readSettings(ctx, a.Tenant)
	return set.info(time.Now()), err
}

func (set settings) info(now time.Time) helpdesk.EffectiveSettings {
	info := helpdesk.EffectiveSettings{Settings: set.Settings, Custom: set.custom}
	if info.TimeZone == "" {
		return info // nothing could be read
	}
	var until time.Time
	if info.Open, until = set.hours.At(now); info.Open {
		info.ClosesAt = until
	} else {
		info.OpensAt = until
	}
	return info
}

// SetSupport replaces all of the tenant's settings. The last call wins. All pods
// use the new settings within five seconds.
func (s *Support) SetSupport(ctx context.Context, a chatbox.Actor, given helpdesk.Settings) (helpdesk.EffectiveSettings, error) {
	if !a.Admin() {
		return helpdesk.EffectiveSettings{}, notStaff()
	}
	set, err := settingsOf(given, false)
	if err != nil {
		return helpdesk.EffectiveSettings{}, err
	}
	set.custom = true
	if err := s.Audit.Record(ctx, a, chatbox.AuditSupportChange, chatbox.AuditSubject{}); err != nil {
		return helpdesk.EffectiveSettings{}, err
	}
	if err := s.keepSettings(ctx, a, set.Settings); err != nil {
		return helpdesk.EffectiveSettings{}, err
	}
	s.settings.set(a.Tenant, set)
	return set.info(time.Now()), nil
}

// keepSettings replaces or creates the tenant's card.
func (s *Support) keepSettings(ctx context.Context, a chatbox.Actor, set helpdesk.Settings) error {
	body, err := json.Marshal(set)
	if err != nil {
		return chatbox.NewError(chatbox.Internal, "", err)
	}
	return again(func(int) error {
		at := now()
		card := helpdesk.Card{
			Pile: supportPile(a.Tenant), ID: settingsID, Body: body, AuthorID: a.UserID, AuthorName: a.Name, CreatedAt: at, UpdatedAt: at,
		}
		found, err := s.Cards.Get(ctx, card.Pile, card.ID)
		switch {
		case errors.Is(err, chatbox.NotFound):
			return s.Cards.Add(ctx, card, 1)
		case err != nil:
			return err
		}
		card.CreatedAt, card.Revision = found.CreatedAt, found.Revision
		if _, err = s.Cards.Replace(ctx, card); errors.Is(err, chatbox.NotFound) { // reset meanwhile
			return chatbox.NewError(chatbox.Clash, "", err)
		}
		return err
	})
}

// ResetSupport removes the tenant's settings, so that those of the environment
// apply again.
func (s *Support) ResetSupport(ctx context.Context, a chatbox.Actor) (helpdesk.EffectiveSettings, error) {
	if !a.Admin() {
		return helpdesk.EffectiveSettings{}, notStaff()
	}
	if err := s.Audit.Record(ctx, a, chatbox.AuditSupportChange, chatbox.AuditSubject{}); err != nil {
		return helpdesk.EffectiveSettings{}, err
	}
	if err := s.Cards.Delete(ctx, supportPile(a.Tenant), settingsID); err != nil {
		return helpdesk.EffectiveSettings{}, err
	}
	set, err := settingsOf(s.cfg.Support, false)
	if err != nil {
		return helpdesk.EffectiveSettings{}, err
	}
	s.settings.set(a.Tenant, set)
	return set.info(time.Now()), nil
}
