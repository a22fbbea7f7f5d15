package notify

import (
	"fmt"
	htmltemplate "html/template"
	"strings"
	"time"
	"unicode"

	"chatbox/helpdesk"
)

const (
	maxShown = 80 // code points of an ID in a subject or a text message
	minute   = "2006-01-02 15:04 MST"
)

// shown returns an ID that is safe to display: one line of limited length,
// without characters that control a terminal, a mail header or the direction of
// text.
func shown(id string) string {
	id = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, id)
	n := 0
	for i := range id {
		if n == maxShown {
			return id[:i] + "…"
		}
		n++
	}
	return id
}

func subject(m helpdesk.AlertMessage) string {
	return fmt.Sprintf("%s asks for help", shown(m.UserID))
}

// shortText returns the message as one line, for a text message or a chat.
func shortText(m helpdesk.AlertMessage) string {
	text := fmt.Sprintf("%s asks for help since %s. Session %s", shown(m.UserID), m.Time.UTC().Format(minute), shown(m.SessionID))
	if m.Tenant != "" {
		text += ", tenant " + shown(m.Tenant)
	}
	return text + "."
}

func plainText(m helpdesk.AlertMessage) string {
	var b strings.Builder
	fmt.Fprintf(&b, "A user asks for help.\n\nUser:    %s\nSession: %s\n", shown(m.UserID), shown(m.SessionID))
	if m.Tenant != "" {
		fmt.Fprintf(&b, "Tenant:  %s\n", shown(m.Tenant))
	}
	fmt.Fprintf(&b, "Since:   %s\n\nAnswer in the console: this mail is not read by anybody.\n", m.Time.UTC().Format(minute))
	return b.String()
}

// page holds the values of the template. html/template escapes them.
type page struct{ User, Session, Tenant, Since string }

func htmlText(m helpdesk.AlertMessage) (string, error) {
	t, err := htmltemplate.New("mail").Parse(mailTemplate)
	if err != nil {
		return "", fmt.Errorf("template: %w", err)
	}
	var b strings.Builder
	err = t.Execute(&b, page{
		User: shown(m.UserID), Session: shown(m.SessionID), Tenant: shown(m.Tenant), Since: m.Time.UTC().Format(minute),
	})
	if err != nil {
		return "", fmt.Errorf("template: %w", err)
	}
	return b.String(), nil
}

const mailTemplate = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>A user asks for help</title></head>
<body style="font-family: sans-serif; line-height: 1.5">
<p>A user asks for help.</p>
<table>
<tr><th align="left">User</th><td>{{.User}}</td></tr>
<tr><th align="left">Session</th><td>{{.Session}}</td></tr>
{{if .Tenant}}<tr><th align="left">Tenant</th><td>{{.Tenant}}</td></tr>
{{end}}<tr><th align="left">Since</th><td>{{.Since}}</td></tr>
</table>
<p>Answer in the console: this mail is not read by anybody.</p>
</body></html>
`

// messageID returns the Message-ID of a mail. It is the same for every retry, so
// that servers and mail programs recognise duplicates.
func messageID(m helpdesk.AlertMessage, from string) string {
	domain := "chatbox.invalid"
	if at := strings.LastIndexByte(from, '@'); at >= 0 {
		domain = strings.Trim(from[at+1:], "> ")
	}
	return m.ID + "@" + domain
}

func sentAt(m helpdesk.AlertMessage) time.Time { return m.Time.UTC() }
