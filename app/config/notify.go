package config

import (
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"regexp"
	"strings"

	"chatbox/providers/llm"
	"chatbox/providers/notify"
)

// notifyVariables is the table of settings for notifying staff of requests for
// help.
func notifyVariables(c *Config) []variable {
	n := &c.Notify
	return []variable{
		{name: "ADMIN_EMAILS", doc: "Addresses that get a mail when a user asks for help, separated by commas. Needs SMTP_HOST and EMAIL_FROM.", set: addresses(&n.Email.To)},
		{name: "SMTP_HOST", doc: "Host of the mail server.", set: hostName(&n.Email.Host)},
		{name: "SMTP_PORT", def: "587", doc: "Port of the mail server.", set: portNumber(&n.Email.Port)},
		{name: "SMTP_USER", doc: "User name at the mail server. Default: the pod does not sign in.", set: text(&n.Email.User)},
		{name: "SMTP_PASS", secret: true, doc: "Password of SMTP_USER.", set: secret(&c.notifySecrets.mail)},
		{
			name: "SMTP_TLS", def: notify.TLSAuto, set: oneOf(&n.Email.TLS, notify.TLSAuto, notify.TLSStart, notify.TLSImplicit, notify.TLSOff),
			doc: "auto, starttls, implicit or off. auto means implicit at port 465 and STARTTLS at other ports, required if SMTP_USER is set and the server is another machine.",
		},
		{name: "EMAIL_FROM", doc: "The sender of mails, such as Chat <chat@example.com>.", set: addressInto(&n.Email.From)},
		{name: "ADMIN_PHONES", doc: "Numbers that get a text message, +491701234567, separated by commas. Needs SMS_ACCOUNT, SMS_TOKEN and SMS_FROM.", set: phones(&n.SMS.To)},
		{name: "SMS_ENDPOINT", def: "https://api.twilio.com", doc: "Base URL of a service with the API of Twilio.", set: endpoint(&n.SMS.Endpoint)},
		{name: "SMS_ACCOUNT", doc: "ID of the account there (AC…).", set: text(&n.SMS.Account)},
		{name: "SMS_TOKEN", secret: true, doc: "Token of that account.", set: secret(&c.notifySecrets.sms)},
		{name: "SMS_FROM", doc: "The sender: a number, or the id of a messaging service that begins with MG.", set: text(&n.SMS.From)},
		{
			name: "WEBHOOK_URL", secret: true, set: webhookURL(&c.notifySecrets.webhook),
			doc: "URL that receives a signed POST request (Standard Webhooks) when a user asks for help. Needs WEBHOOK_SECRET.",
		},
		{
			name: "WEBHOOK_SECRET", secret: true, set: webhookSecret(&c.notifySecrets.webhookKey),
			doc: "Random secret that signs these requests: whsec_ and base64 of at least 24 bytes, or a text of at least 24 bytes.",
		},
		{
			name: "NOTIFY_URLS", secret: true, set: chatURLs(&n.Chats),
			doc: "Chat services that get a line when a user asks for help, as URLs of shoutrrr (slack://…, teams://…, discord://…), separated by spaces or line ends.",
		},
	}
}

// notifySecrets holds the secrets until checkNotify assigns them.
type notifySecrets struct{ mail, sms, webhook, webhookKey llm.Secret }

// checkNotify returns a fault for each setting that requires another one which is
// missing. It then copies the secrets to c.Notify.
func (c *Config) checkNotify(g *values) []error {
	var faults []error
	needs := func(given string, others ...string) {
		for _, name := range others {
			if g.has(given) && !g.has(name) {
				faults = append(faults, fault(name, "is required with "+given))
			}
		}
	}
	needs("ADMIN_EMAILS", "SMTP_HOST", "EMAIL_FROM")
	needs("SMTP_USER", "SMTP_PASS")
	needs("SMTP_PASS", "SMTP_USER")
	needs("ADMIN_PHONES", "SMS_ACCOUNT", "SMS_TOKEN", "SMS_FROM")
	needs("WEBHOOK_URL", "WEBHOOK_SECRET")
	if c.Notify.Email.TLS == notify.TLSOff && g.has("SMTP_USER") && !notify.Loopback(c.Notify.Email.Host) {
		faults = append(faults, fault("SMTP_TLS", "off would send SMTP_PASS in the clear"))
	}
	s := c.notifySecrets
	c.Notify.Email.Password, c.Notify.SMS.Token = s.mail, s.sms
	c.Notify.Webhook = notify.WebhookConfig{URL: s.webhook, Secret: s.webhookKey}
	return faults
}

func addresses(into *[]string) func(string) error {
	return func(s string) error {
		found, err := mail.ParseAddressList(s)
		if err != nil {
			return errors.New("has an entry that is no address such as team@example.com")
		}
		for _, a := range found {
			*into = append(*into, a.Address)
		}
		return nil
	}
}

func addressInto(into *string) func(string) error {
	return func(s string) error {
		a, err := mail.ParseAddress(s)
		if err != nil {
			return errors.New("is no address such as chat@example.com or Chat <chat@example.com>")
		}
		*into = a.String()
		return nil
	}
}

func hostName(into *string) func(string) error {
	valid := regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._:-]*[A-Za-z0-9])?$`)
	return func(s string) error {
		if !valid.MatchString(s) && s != "::1" {
			return errors.New("must be a host's name or address, without a port")
		}
		*into = s
		return nil
	}
}

func portNumber(into *int) func(string) error {
	return func(s string) error {
		if !isPort(s) || s == "0" {
			return errors.New("must be a port")
		}
		return number(into, 1)(s)
	}
}

func phones(into *[]string) func(string) error {
	valid := regexp.MustCompile(`^\+[1-9][0-9]{5,14}$`)
	return func(s string) error {
		for _, part := range list(s) {
			if !valid.MatchString(part) {
				return errors.New("has an entry that is no number such as +491701234567")
			}
			*into = append(*into, part)
		}
		return nil
	}
}

// checkURL accepts an absolute http or https URL without user, fragment, white
// space and placeholder.
func checkURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return errors.New("must be https://host… or http://host…")
	case u.User != nil || u.Fragment != "" || strings.ContainsAny(s, " \t\r\n"):
		return errors.New("must have no user, fragment or white space")
	case placeholder(u.Host) || strings.Contains(normal(u.Host), "yourdomain") || strings.ContainsAny(s, "<>${}"):
		return errors.New("is a placeholder")
	}
	return nil
}

func endpoint(into *string) func(string) error {
	return func(s string) error {
		*into = s
		return checkURL(s)
	}
}

func webhookURL(into *llm.Secret) func(string) error {
	return func(s string) error {
		*into = llm.NewSecret(s)
		return checkURL(s)
	}
}

func webhookSecret(into *llm.Secret) func(string) error {
	return func(s string) error {
		*into = llm.NewSecret(s)
		if err := notify.CheckWebhookSecret(*into); err != nil {
			return err
		}
		if why := weakness(strings.TrimPrefix(s, "whsec_")); why != "" {
			return errors.New(why)
		}
		return nil
	}
}

func chatURLs(into *[]notify.Secret) func(string) error {
	return func(s string) error {
		for i, part := range strings.Fields(s) {
			u := llm.NewSecret(part)
			if err := notify.CheckChat(u); err != nil {
				return fmt.Errorf("number %d %w", i+1, err)
			}
			*into = append(*into, u)
		}
		return nil
	}
}
