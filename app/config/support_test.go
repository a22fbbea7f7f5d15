package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/helpdesk"
)

func TestLoad_Support(t *testing.T) {
	c, err := Load(settings(), "")
	require.NoError(t, err)
	assert.Equal(t, helpdesk.Settings{TimeZone: "UTC"}, c.Support)
	c, err = Load(settings("SUPPORT_HOURS=mon 9:00-17:00", "SUPPORT_TIME_ZONE=Europe/Berlin", "SUPPORT_AWAY_MESSAGE=Back soon.",
		"SUPPORT_CLOSED_DAYS=2026-12-25, 2026-01-01,2026-12-25"), "")
	require.NoError(t, err)
	assert.Equal(t, helpdesk.Settings{
		Hours: "mon 9:00-17:00", TimeZone: "Europe/Berlin", AwayMessage: "Back soon.", ClosedDays: []string{"2026-01-01", "2026-12-25"},
	}, c.Support)
	_, err = Load(settings("SUPPORT_HOURS=Mon 9-17", "SUPPORT_TIME_ZONE=Berlin", "SUPPORT_AWAY_MESSAGE="+strings.Repeat("x", 1001),
		"SUPPORT_CLOSED_DAYS=24.12.2026"), "")
	require.Error(t, err)
	assert.Equal(t, []string{
		`SUPPORT_HOURS: "9-17" must be times such as 09:00-17:00`,
		"SUPPORT_TIME_ZONE: must be the name of a time zone such as Europe/Berlin",
		"SUPPORT_AWAY_MESSAGE: is longer than 1,000 characters",
		`SUPPORT_CLOSED_DAYS: "24.12.2026" is no date such as 2026-12-24`,
	}, strings.Split(err.Error(), "\n"), "all of them, each by its name")
}
