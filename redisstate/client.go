// Package redisstate keeps in Redis who owns what and what is hot, and carries
// events between pods. Everything in it is a copy or a lease: MongoDB has the
// truth, and an empty Redis is refilled from there. Every atomic act is one
// Lua file under scripts, whose header is its contract; every name is in
// keys.go. No plaintext that people wrote is ever sent: payloads are sealed.
package redisstate

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbox"
)

//go:embed scripts/*.lua
var scriptFiles embed.FS //nolint:gochecknoglobals // embed needs one

// Sealer encrypts payloads; the parts of ad bind them to their place.
type Sealer interface {
	Seal(plain []byte, ad ...string) ([]byte, error)
	Open(box []byte, ad ...string) ([]byte, error)
}

// Config is how to reach Redis and how long things live there.
type Config struct {
	URL              string // redis:// or rediss://
	CommandTimeout   time.Duration
	LeaseTTL         time.Duration
	RateLimit        int // durable frames per user and RateWindow
	RateWindow       time.Duration
	MaxSocketsPerUsr int
	LogEntries       int // most events of a session's hot log
	LogBytes         int // most bytes of it
}

// DefaultConfig has the values of the contract; URL is to be set.
func DefaultConfig() Config {
	return Config{
		CommandTimeout: time.Second, LeaseTTL: 5 * time.Second,
		RateLimit: 100, RateWindow: time.Minute, MaxSocketsPerUsr: 10,
		LogEntries: 200, LogBytes: 256 << 10,
	}
}

// How long copies live unless they are used. Losing one costs a re-read.
const (
	logTTL     = 15 * time.Minute
	stateTTL   = 24 * time.Hour
	forbidTTL  = 5 * time.Second
	reserveTTL = 60 * time.Second
	connTTL    = 60 * time.Second
	podTTL     = 15 * time.Second
)

// Client is a connection to Redis with the scripts loaded. It is safe for
// concurrent use. Its errors carry chatbox.Unavailable.
type Client struct {
	cfg     Config
	rdb     redis.UniversalClient
	seal    Sealer
	scripts map[string]*redis.Script
}

// Open parses the URL and makes the client; it does not wait for the server.
func Open(cfg Config, seal Sealer) (*Client, error) {
	opts, err := redis.ParseURL(cfg.URL)
	if err != nil {
		return nil, errors.New("REDIS_URL: cannot be parsed") // the cause may quote a password
	}
	opts.DialTimeout, opts.ReadTimeout, opts.WriteTimeout = cfg.CommandTimeout, cfg.CommandTimeout, cfg.CommandTimeout
	opts.ContextTimeoutEnabled = true
	opts.MaxRetries = 1
	opts.DialerRetries = 1 // callers have a patience of their own
	opts.DisableIdentity = true
	opts.PoolSize = max(opts.PoolSize, 32)
	return New(cfg, redis.NewClient(opts), seal)
}

// New wraps a client that exists; Close closes it.
func New(cfg Config, rdb redis.UniversalClient, seal Sealer) (*Client, error) {
	c := &Client{cfg: cfg, rdb: rdb, seal: seal, scripts: map[string]*redis.Script{}}
	files, err := scriptFiles.ReadDir("scripts")
	if err != nil {
		return nil, fmt.Errorf("read scripts: %w", err)
	}
	for _, f := range files {
		src, err := scriptFiles.ReadFile("scripts/" + f.Name())
		if err != nil {
			return nil, fmt.Errorf("read script %s: %w", f.Name(), err)
		}
		c.scripts[f.Name()] = redis.NewScript(string(src))
	}
	return c, nil
}

// Close ends all connections.
func (c *Client) Close() error { return c.rdb.Close() }

// Ping asks the server for a sign of life.
func (c *Client) Ping(ctx context.Context) error { return wrap("ping", c.rdb.Ping(ctx).Err()) }

// run executes a script by its hash: one round trip, a second one only where
// the server does not have the script yet.
func (c *Client) run(ctx context.Context, name string, keys []string, args ...any) *redis.Cmd {
	return c.scripts[name].Run(ctx, c.rdb, keys, args...)
}

// wrap gives errors of the server or the way to it their code. Causes name
// commands and addresses, never payloads.
func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	var coded *chatbox.Error
	if errors.As(err, &coded) {
		return err
	}
	return &chatbox.Error{Code: chatbox.Unavailable, Message: "the service cannot be reached for a moment", Err: fmt.Errorf("redis %s: %w", op, err)}
}

func nonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

func ms(d time.Duration) int64 { return d.Milliseconds() }

func flag(b bool) string {
	if b {
		return "1"
	}
	return ""
}
