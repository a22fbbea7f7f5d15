package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"chatbox"
	"chatbox/app/access"
	"chatbox/app/alert"
	"chatbox/app/api"
	"chatbox/app/config"
	"chatbox/app/desk"
	"chatbox/app/door"
	"chatbox/app/files"
	"chatbox/hub"
	"chatbox/persistence"
	"chatbox/providers/llm"
	"chatbox/providers/notify"
	"chatbox/redisstate"
)

// Run runs the configured pod until ctx ends, drains it and returns. If a server
// is unavailable at the start, the pod waits for it and is not ready. Run returns
// a *chatbox.UnfitError if the pod cannot work with its surroundings and a
// restart cannot help; nothing has been written then. texts reads documents for
// models; nil: only plain text is read.
func Run(ctx context.Context, cfg config.Config, texts files.Texts) error {
	var level slog.LevelVar
	level.Set(cfg.Log.Level)
	log := NewLogger(os.Stderr, cfg.Log, &level)
	warn(ctx, cfg, log)
	redisstate.LogTo(log) // applies to the whole process
	keys, err := persistence.NewKeyring(cfg.Keys)
	if err != nil {
		return refused(err)
	}
	models, err := llm.New(cfg.LLM, log)
	if err != nil {
		return refused(err)
	}
	defer models.Close()
	channels, ways, err := notifyChannels(cfg.Notify, log)
	if err != nil {
		return refused(err)
	}
	defer ways.Close()
	ctx, unfit := context.WithCancelCause(ctx)
	defer unfit(nil)
	where := cfg.History()
	meters := NewMeters()
	where.Hooks.Done = meters.HistoryDone
	kept, err := openHistory(ctx, where, keys, log, unfit)
	if err != nil {
		return err
	}
	stored, closeFiles, err := openFileStore(ctx, cfg.Files, fileKeys{keys, kept.store.Trusted}, log)
	if err != nil {
		return errors.Join(refused(err), kept.close(context.WithoutCancel(ctx)))
	}
	defer closeFiles()
	stored.Signer, stored.Texts = keys, texts
	spoken, closeVoice, err := openVoice(ctx, cfg.Voice, log)
	if err != nil {
		return errors.Join(refused(err), kept.close(context.WithoutCancel(ctx)))
	}
	defer closeVoice()
	opts := optionsOf(cfg, log)
	opts.Channels, opts.Files, opts.Voice, opts.Level, opts.Meters = channels, stored, spoken, &level, meters
	opts.Sealer, opts.Stores, opts.LLM, opts.DecryptFailures = trustedKeys{keys, kept.store.Trusted}, kept.stores(), models, keys.Failures
	a, err := New(opts)
	if err == nil {
		err = serve(ctx, a)
	} else {
		err = refused(err)
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if cerr := kept.close(end); cerr != nil {
		log.DebugContext(ctx, "history closed with an error", "error", cerr)
	}
	return err
}

// refused marks an error of a part that settings alone cause: a restart does not
// help. config.Load reports most of these faults before.
func refused(err error) error { return &chatbox.UnfitError{Reason: err.Error()} }

// warn logs likely mistakes in the configuration and around the pod.
func warn(ctx context.Context, cfg config.Config, log *slog.Logger) {
	for _, w := range cfg.Warnings {
		log.WarnContext(ctx, "possible mistake in the configuration", "warning", w)
	}
	if w := DoubtFiles(cfg); w != "" {
		log.WarnContext(ctx, "possible problem around the pod", "warning", w)
	}
}

func serve(ctx context.Context, a *App) error {
	if err := a.startInGoodSurroundings(ctx); err != nil {
		return err
	}
	var why error
	select {
	case <-ctx.Done():
		if cause := context.Cause(ctx); errors.As(cause, new(*chatbox.UnfitError)) {
			why = cause
		}
	case why = <-a.Failed():
		a.log.ErrorContext(ctx, "pod cannot serve here", "error", why)
	}
	return errors.Join(why, a.Stop(context.WithoutCancel(ctx)))
}

// optionsOf returns the pod's options from the configuration, without its parts.
func optionsOf(cfg config.Config, log *slog.Logger) Options {
	redis := cfg.Redis.Client(redisstate.DefaultConfig())
	redis.RateLimit, redis.MaxSocketsPerUsr = cfg.Limits.RatePerMinute, cfg.Limits.ConnectionsPerUser
	redis.HelpLimit = cfg.Limits.HelpPerMinute
	gate := access.DefaultConfig()
	gate.UserRate, gate.AdminRate, gate.MarkLife = cfg.Limits.RESTPerMinute, cfg.Limits.AdminPerMinute, cfg.JWT.MaxLife
	use := DefaultUseCases()
	use.Conversation.AskRating, use.Conversation.AdminGrace, use.Live.WatchNotice = cfg.Admin.AskRating, cfg.Admin.Grace, cfg.Admin.WatchNotice
	use.Answer.SystemPrompt, use.Answer.AnswerMax = cfg.Prompt.System, cfg.Prompt.AnswerMax
	use.Answer.Disclosure = cfg.Prompt.Disclosure
	sockets := hub.DefaultConfig()
	sockets.MaxFrame, sockets.MaxConns = cfg.Limits.Frame, cfg.Limits.Connections
	return Options{
		ID: cfg.Pod, Listen: cfg.HTTP.Listen, Console: cfg.Env == config.Development,
		Door: door.Config{Unknown: cfg.Limits.Unknown, PerAddress: cfg.Limits.UnknownPerAddress, Shared: cfg.HTTP.TrustedProxies},
		API: api.Config{
			Prefix: cfg.HTTP.Prefix, Pod: cfg.Pod, Origins: cfg.HTTP.Origins, CORS: cfg.HTTP.CORS,
			QueryToken: cfg.HTTP.QueryToken, TrustedProxies: cfg.HTTP.TrustedProxies, MetricsNetworks: cfg.HTTP.MetricsNetworks,
			Unknown: cfg.Limits.UnknownPerAddress, NoMetrics: cfg.HTTP.Metrics != "",
		},
		Auth: api.NewAuth(api.AuthConfig{
			Secret: []byte(cfg.JWT.Secret.Reveal()), Keys: issuerKeys(cfg.JWT.JWKS, log), Algorithms: cfg.JWT.Algorithms,
			Issuer: cfg.JWT.Issuer, Audience: cfg.JWT.Audience, NoExpiry: !cfg.JWT.RequireExpiry,
		}),
		Access: gate,
		Hub:    sockets, ShedAbove: cfg.Limits.ShedAbove, Redis: redis, UseCases: use, Alerts: alert.DefaultConfig(), Drain: cfg.Drain, Logger: log,
		DeletionCost: openDeletionCost(cfg, log),
		Desk:         desk.Config{Support: cfg.Support},
		Env:          cfg.Env, Private: cfg.HTTP.Metrics,
	}
}

func issuerKeys(url string, log *slog.Logger) *api.KeySet {
	if url == "" {
		return nil
	}
	return api.NewKeySet(url, log)
}

// notifyChannels returns the configured alert channels.
func notifyChannels(cfg notify.Config, log *slog.Logger) ([]alert.Channel, *notify.Channels, error) {
	made, err := notify.New(cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("alert channels: %w", err)
	}
	channels := make([]alert.Channel, 0, len(made.All))
	for _, c := range made.All {
		channels = append(channels, c)
	}
	log.Info("alert channels for requests for help", "channels", len(channels))
	return channels, made, nil
}
