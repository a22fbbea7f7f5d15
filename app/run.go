package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"chatbox/app/access"
	"chatbox/app/alert"
	"chatbox/app/api"
	"chatbox/app/conversation"
	"chatbox/app/desk"
	"chatbox/app/door"
	"chatbox/hub"
	"chatbox/persistence"
	"chatbox/providers/llm"
	"chatbox/redisstate"
)

// Run makes the pod that the configuration describes, serves until ctx ends,
// drains, and returns. A server that is away at the start is waited for: the
// pod lives and is not ready.
func Run(ctx context.Context, cfg Config) error {
	log := NewLogger(os.Stderr, cfg.Log)
	redisstate.LogTo(log) // for the whole process, which is this pod's
	keys, err := persistence.NewKeyring(cfg.Keys)
	if err != nil {
		return err
	}
	models, err := llm.New(cfg.LLM, log)
	if err != nil {
		return err
	}
	defer models.Close()
	channels, ways, err := notifyChannels(cfg.Notify, log)
	if err != nil {
		return err
	}
	defer ways.Close()
	history := persistence.Config{URI: cfg.Mongo.URI.Reveal(), Database: cfg.Mongo.Database, NoWords: !cfg.SearchIndex}
	stores, closeStores, err := OpenMongo(ctx, history, keys, log)
	if err != nil {
		return err
	}
	opts := optionsOf(cfg, log)
	opts.Channels = channels
	opts.Sealer, opts.Stores, opts.LLM, opts.DecryptFailures = keys, stores, models, keys.Failures
	a, err := New(opts)
	if err == nil {
		err = serve(ctx, a)
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if cerr := closeStores(end); cerr != nil {
		log.DebugContext(ctx, "history closed with an error", "error", cerr)
	}
	return err
}

func serve(ctx context.Context, a *App) error {
	if err := a.Start(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	return a.Stop(context.WithoutCancel(ctx))
}

// optionsOf is what the configuration says of a pod, its parts apart.
func optionsOf(cfg Config, log *slog.Logger) Options {
	redis := redisstate.DefaultConfig()
	redis.RateLimit, redis.MaxSocketsPerUsr = cfg.Limits.RatePerMinute, cfg.Limits.ConnectionsPerUser
	if cfg.Redis.Kind == RedisSingle {
		redis.URL = cfg.Redis.URL.Reveal()
	} else {
		redis.Addrs, redis.Master, redis.DB, redis.TLS = cfg.Redis.Addrs, cfg.Redis.Master, cfg.Redis.DB, cfg.Redis.TLS
		redis.Username, redis.Password = cfg.Redis.User, cfg.Redis.Password.Reveal()
	}
	redis.HelpLimit = cfg.Limits.HelpPerMinute
	gate := access.DefaultConfig()
	gate.UserRate, gate.AdminRate, gate.MarkLife = cfg.Limits.RESTPerMinute, cfg.Limits.AdminPerMinute, cfg.JWT.MaxLife
	talk := conversation.DefaultConfig()
	talk.AskRating, talk.WatchNotice = cfg.Admin.AskRating, cfg.Admin.WatchNotice
	talk.SystemPrompt, talk.AnswerMax, talk.AdminGrace = cfg.Prompt.System, cfg.Prompt.AnswerMax, cfg.Admin.Grace
	sockets := hub.DefaultConfig()
	sockets.MaxFrame, sockets.MaxConns = cfg.Limits.Frame, cfg.Limits.Connections
	return Options{
		ID: cfg.Pod, Listen: cfg.HTTP.Listen, Console: cfg.Env == Development,
		Door: door.Config{Unknown: cfg.Limits.Unknown, PerAddress: cfg.Limits.UnknownPerAddress, Shared: cfg.HTTP.TrustedProxies},
		API: api.Config{
			Prefix: cfg.HTTP.Prefix, Pod: cfg.Pod, Origins: cfg.HTTP.Origins, CORS: cfg.HTTP.CORS,
			QueryToken: cfg.HTTP.QueryToken, TrustedProxies: cfg.HTTP.TrustedProxies, MetricsNetworks: cfg.HTTP.MetricsNetworks,
			Unknown: cfg.Limits.UnknownPerAddress,
		},
		Auth: api.NewAuth(api.AuthConfig{
			Secret: []byte(cfg.JWT.Secret.Reveal()), Keys: issuerKeys(cfg.JWT.JWKS, log), Algorithms: cfg.JWT.Algorithms,
			Issuer: cfg.JWT.Issuer, Audience: cfg.JWT.Audience, NoExpiry: !cfg.JWT.RequireExpiry,
		}),
		Access: gate,
		Hub:    sockets, ShedAbove: cfg.Limits.ShedAbove, Redis: redis, Conversation: talk, Alerts: alert.DefaultConfig(), Drain: cfg.Drain, Logger: log,
		Desk: desk.Config{Support: cfg.Support},
	}
}

func issuerKeys(url string, log *slog.Logger) *api.KeySet {
	if url == "" {
		return nil
	}
	return api.NewKeySet(url, log)
}

// OpenMongo opens the history on a MongoDB-compatible server. The server may
// be away: what needs it fails until it is there.
func OpenMongo(ctx context.Context, cfg persistence.Config, keys *persistence.Keyring, log *slog.Logger) (Stores, func(context.Context) error, error) {
	store, err := persistence.Open(ctx, cfg, keys)
	if err != nil {
		return Stores{}, nil, fmt.Errorf("history: %w", err)
	}
	indexing, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() { // ends when the indexes are there, or with the stores; closing waits for it
		defer close(done)
		if err := store.EnsureIndexes(indexing); err != nil && indexing.Err() == nil {
			log.ErrorContext(indexing, "indexes cannot be made; nothing is written without them", "error", err)
		}
	}()
	closer := func(ctx context.Context) error {
		stop()
		<-done
		return store.Close(ctx)
	}
	return Stores{
		Messages: store.Messages(), Sessions: store.Sessions(), Turns: store.Turns(),
		Tombs: store.Sessions(), Shares: store.Shares(), Alerts: store.Alerts(), Audit: store.Audit(),
		Ledger: store.Sessions(), Crowds: store.Crowds(), Erasures: store.Sessions(), Cards: store.Cards(), Withdrawals: store.Withdrawals(), Ping: store.Ping,
		Queue:   store.Sessions(),
		Ratings: store.Sessions(),
		Labels:  store.Sessions(),
		Finder:  store.Search(),
		Blocks:  store.Blocks(),
	}, closer, nil
}
