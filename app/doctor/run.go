package doctor

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"chatbox/app/config"
	"chatbox/persistence"
	"chatbox/redisstate"
)

// Options say how much is examined.
type Options struct {
	// AskModels asks each model for one token. That costs money.
	AskModels bool
	// Within limits each check except the questions to models; zero: 8 s.
	Within time.Duration
}

const (
	usualWait = 8 * time.Second
	askWait   = time.Minute
	closeWait = time.Second
)

// Examine checks what the pod with these settings depends on, all at once, and
// returns the findings in a fixed order. Dependencies whose own settings are at
// fault are not checked. It returns within a few seconds, or within about a
// minute if models are asked. No finding contains a secret.
//
// It logs nothing. The log of the Redis library is turned off for the whole
// process.
func Examine(ctx context.Context, environ []string, file string, o Options) []Finding {
	redisstate.LogTo(slog.New(slog.DiscardHandler))
	if o.Within <= 0 {
		o.Within = usualWait
	}
	cfg, err := config.Load(environ, file)
	var faults []string
	if err != nil {
		faults = strings.Split(err.Error(), "\n") // each fault is a line
	}
	found := lookAtConfig(cfg, faults, cfg.Warnings)
	found = append(found, examine(ctx, checksOf(cfg, faults, o))...)
	redact(found, config.Secrets(environ, file))
	return found
}

// checksOf returns the checks in the order of their lines.
func checksOf(cfg config.Config, faults []string, o Options) []check {
	web := newReacher()
	models := check{"llm", o.Within, func(ctx context.Context) []Finding { return web.lookAtModels(ctx, cfg.LLM.Providers, nil) }}
	if o.AskModels {
		models.within = askWait
		models.look = func(ctx context.Context) []Finding {
			return web.lookAtModels(ctx, cfg.LLM.Providers, askWith(cfg.LLM))
		}
	}
	all := []struct {
		needs []string // beginnings of the settings that must be right
		check check
	}{
		{[]string{"REDIS_"}, check{"redis", o.Within, func(ctx context.Context) []Finding { return visitRedis(ctx, cfg) }}},
		{[]string{"MONGO_", "ENCRYPTION_KEY"}, check{"mongodb", o.Within, func(ctx context.Context) []Finding { return visitHistory(ctx, cfg) }}},
		{[]string{"LLM_"}, models},
		{[]string{"FILES_URL", "ENCRYPTION_KEY"}, check{"files", o.Within, func(ctx context.Context) []Finding { return visitFiles(ctx, cfg) }}},
		{[]string{"CLAMD_ADDR"}, check{"clamd", o.Within, func(ctx context.Context) []Finding { return lookAtScanner(ctx, cfg.Files.Clamd) }}},
		{[]string{"TRANSCRIBE_", "SPEECH_"}, check{"voice", o.Within, func(ctx context.Context) []Finding { return web.lookAtVoice(ctx, cfg.Voice) }}},
		{[]string{"JWT_"}, check{"jwks", o.Within, func(ctx context.Context) []Finding { return lookAtIssuer(ctx, cfg.JWT) }}},
		{alertSettings(), check{"alerts", o.Within, func(ctx context.Context) []Finding { return web.lookAtAlerts(ctx, cfg.Notify) }}},
		{[]string{"LISTEN_ADDR", "SERVER_PORT", "METRICS_ADDR", "MAX_"}, check{"machine", o.Within, func(ctx context.Context) []Finding { return lookAtMachine(ctx, cfg) }}},
	}
	checks := make([]check, 0, len(all))
	for _, c := range all {
		if begins(faults, c.needs) {
			c.check.look = func(context.Context) []Finding {
				return one(Warn, c.check.name, "not checked, because its settings are at fault: see config")
			}
		}
		checks = append(checks, c.check)
	}
	return checks
}

// alertSettings are the beginnings of the settings of alerts.
func alertSettings() []string {
	return []string{"ADMIN_EMAILS", "ADMIN_PHONES", "SMTP_", "EMAIL_FROM", "SMS_", "WEBHOOK_", "NOTIFY_URLS"}
}

// begins reports whether any fault names a setting that begins like one of these.
func begins(faults, settings []string) bool {
	return slices.ContainsFunc(faults, func(fault string) bool {
		return slices.ContainsFunc(settings, func(s string) bool { return strings.HasPrefix(fault, s) })
	})
}

func visitRedis(ctx context.Context, cfg config.Config) []Finding {
	client, err := openRedis(cfg.Redis)
	if err != nil {
		return one(Fail, "redis", causeOf(err))
	}
	defer func() { _ = client.Close() }() // nothing is written any more
	return lookAtRedis(ctx, redisPlace(cfg.Redis), client, cfg.Env == config.Production)
}

func visitHistory(ctx context.Context, cfg config.Config) []Finding {
	keys, err := persistence.NewKeyring(cfg.Keys)
	if err != nil {
		return one(Fail, "keys", causeOf(err))
	}
	history, err := openHistory(ctx, cfg, keys)
	if err != nil {
		return one(Fail, "mongodb", causeOf(err))
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWait)
		defer cancel()
		_ = history.Close(end) // nothing is written any more
	}()
	return lookAtHistory(ctx, historyPlace(cfg.Mongo), cfg.Mongo.Database, history)
}

func visitFiles(ctx context.Context, cfg config.Config) []Finding {
	keys, err := persistence.NewKeyring(cfg.Keys)
	if err != nil {
		return one(Fail, "files", causeOf(err))
	}
	return lookAtFiles(ctx, cfg.Files, keys)
}
