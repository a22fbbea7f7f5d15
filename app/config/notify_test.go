package config

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"chatbox/providers/notify"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// everyWay is a configuration with all ways of telling staff.
func everyWay(change ...string) []string {
	return settings(append([]string{
		`ADMIN_EMAILS=a@example.com, "Builder, Bob" <b@example.com>`, "SMTP_HOST=mail.example.com", "SMTP_USER=u", "SMTP_PASS=hunter2hunter2",
		"EMAIL_FROM=Chat <chat@example.com>", "ADMIN_PHONES=+491701234567,+491701234568", "SMS_ACCOUNT=AC1", "SMS_TOKEN=hunter2hunter2", "SMS_FROM=+4930123",
		"WEBHOOK_URL=https://example.com/hunter2hunter2", "WEBHOOK_SECRET=whsec_" + base64.StdEncoding.EncodeToString([]byte(random(32))),
		"NOTIFY_URLS=mattermost://chat.example.com/hunter2hunter2 discord://hunter2hunter2@123456",
	}, change...)...)
}

func TestLoad_WaysToTellStaff(t *testing.T) {
	c, err := Load(everyWay(), "")
	require.NoError(t, err)
	n := c.Notify
	assert.Equal(t, []string{"a@example.com", "b@example.com"}, n.Email.To)
	assert.Equal(t, `"Chat" <chat@example.com>`, n.Email.From)
	assert.Equal(t, 587, n.Email.Port)
	assert.Equal(t, "https://api.twilio.com", n.SMS.Endpoint)
	made, err := notify.New(n)
	require.NoError(t, err)
	made.Close()
	var names []string
	for _, ch := range made.All {
		names = append(names, ch.Name())
	}
	assert.Equal(t, []string{"email-1", "email-2", "sms-1", "sms-2", "webhook-1", "notify-1", "notify-2"}, names)
	assert.NotContains(t, fmt.Sprintf("%v %+v %#v", c, c, c), "hunter2")

	c, err = Load(settings(), "")
	require.NoError(t, err)
	made, err = notify.New(c.Notify)
	require.NoError(t, err)
	made.Close()
	assert.Empty(t, made.All, "none is configured, none is made")
}

func TestLoad_FaultsOfTheWaysToTellStaff(t *testing.T) {
	for setting, about := range map[string]string{
		"ADMIN_EMAILS=nobody": "no address", "ADMIN_EMAILS=a@b.c\nBcc: d@e.f": "no address", "SMTP_HOST=": "required with ADMIN_EMAILS",
		"EMAIL_FROM=": "required with ADMIN_EMAILS", "EMAIL_FROM=x": "no address", "SMTP_PORT=0": "a port", "SMTP_PORT=99999": "a port",
		"SMTP_HOST=mail example": "host", "SMTP_HOST=h\r\nx": "host", "SMTP_PASS=": "required with SMTP_USER", "SMTP_USER=": "required with SMTP_PASS",
		"SMTP_TLS=maybe": "one of", "SMTP_TLS=off": "in the clear", "ADMIN_PHONES=12345": "no number", "ADMIN_PHONES=+1 234": "no number",
		"SMS_ACCOUNT=": "required with ADMIN_PHONES", "SMS_TOKEN=": "required with ADMIN_PHONES", "SMS_FROM=": "required with ADMIN_PHONES",
		"SMS_ENDPOINT=ftp://x": "https://", "WEBHOOK_URL=example.com/hook": "https://", "WEBHOOK_URL=https://u:hunter2hunter2@example.com": "no user",
		"WEBHOOK_URL=https://your-domain.com/": "placeholder", "WEBHOOK_SECRET=": "required with WEBHOOK_URL", "WEBHOOK_SECRET=short": "24 bytes",
		"WEBHOOK_SECRET=whsec_hunter2hunter2!": "base64", "WEBHOOK_SECRET=" + strings.Repeat("a", 40): "predictable",
		"NOTIFY_URLS=slack://hunter2hunter2": "number 1 is not", "NOTIFY_URLS=logger://": "must begin", "NOTIFY_URLS=x": "number 1",
	} {
		t.Run(setting, func(t *testing.T) {
			_, err := Load(everyWay(setting), "")
			require.Error(t, err)
			name, _, _ := strings.Cut(setting, "=")
			assert.Contains(t, err.Error(), name+": ")
			assert.Contains(t, err.Error(), about)
			assert.NotContains(t, err.Error(), "hunter2")
		})
	}
}
