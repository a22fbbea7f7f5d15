package config

import (
	"chatbox"
	"chatbox/helpdesk"
)

// supportVariables is the table of settings for tenants without settings of their
// own.
func supportVariables(c *Config) []variable {
	s := &c.Support
	return []variable{
		{
			name: "SUPPORT_HOURS", set: checked(&s.Hours, func(text string) error { _, err := helpdesk.ParseWeek(text); return err }),
			doc: "Opening hours of the support team in SUPPORT_TIME_ZONE, such as Mon-Fri 09:00-12:30, 13:00-17:00; Sat 22:00-02:00. Default: always open. " +
				"A tenant's admins can replace these hours and the three settings below.",
		},
		{
			name: "SUPPORT_TIME_ZONE", def: "UTC", doc: "Time zone of the support team, such as Europe/Berlin.",
			set: checked(&s.TimeZone, func(name string) error { _, err := helpdesk.ParseZone(name); return err }),
		},
		{name: "SUPPORT_AWAY_MESSAGE", doc: "Message to users who ask for help while no member of staff is available.", set: checked(&s.AwayMessage, chatbox.CheckShownText)},
		{
			name: "SUPPORT_CLOSED_DAYS", doc: "Dates on which support is closed, such as 2026-12-25, separated by commas.",
			set: func(raw string) (err error) { s.ClosedDays, err = helpdesk.ParseClosedDays(list(raw)); return err },
		},
	}
}

// checked reads a text that must pass the check.
func checked(into *string, check func(string) error) func(string) error {
	return func(s string) error { *into = s; return check(s) }
}
