package notify

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"chatbox/helpdesk"
)

// sms sends text messages through Twilio's API or a compatible one.
type sms struct {
	cfg    SMSConfig
	to     string
	client *http.Client
}

func (s *sms) send(ctx context.Context, m helpdesk.AlertMessage) error {
	form := url.Values{"To": {s.to}, "Body": {shortText(m)}}
	if strings.HasPrefix(s.cfg.From, "MG") {
		form.Set("MessagingServiceSid", s.cfg.From)
	} else {
		form.Set("From", s.cfg.From)
	}
	at := strings.TrimSuffix(s.cfg.Endpoint, "/") + "/2010-04-01/Accounts/" + url.PathEscape(s.cfg.Account) + "/Messages.json"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at, strings.NewReader(form.Encode()))
	if err != nil {
		return errors.New("the address cannot be used")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(s.cfg.Account, s.cfg.Token.Reveal())
	return do(s.client, req)
}
