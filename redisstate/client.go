// Package redisstate stores leases and copies of recent session data in Redis,
// and carries events between pods. MongoDB has the truth, and an empty Redis
// is refilled from it. Every atomic operation is one Lua file under scripts,
// whose header is its contract. Every name is in keys.go. Text that people
// wrote is never sent in the clear: payloads are encrypted.
package redisstate

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbox"
)

//go:embed scripts/*.lua
var scriptFiles embed.FS

// Sealer encrypts payloads. ad is associated data that binds a payload to its
// place.
type Sealer interface {
	Seal(plain []byte, ad ...string) ([]byte, error)
	Open(box []byte, ad ...string) ([]byte, error)
}

// Config says how to reach Redis and how long its entries live. Set either
// URL, or Addrs: the sentinels that watch Master, nodes of a Cluster, or the
// one server.
type Config struct {
	URL      string // redis:// or rediss://
	Addrs    []string
	Master   string
	Cluster  bool // Addrs are some of a Cluster's nodes
	Username string
	Password string
	DB       int
	TLS      func() (*tls.Config, error) // nil: none; called for each connection, which owns the result
	PoolSize int                         // connections; 0: 64
	Protocol int                         // version of RESP; 0: 3

	SentinelUsername string // for the sentinels, which have their own users
	SentinelPassword string

	CommandTimeout   time.Duration
	LeaseTTL         time.Duration
	RateLimit        int // durable frames per user within RateWindow
	RateWindow       time.Duration
	HelpLimit        int // help requests per user within RateWindow
	MaxSocketsPerUsr int
	LogEntries       int        // maximal number of events in a session's hot log
	LogBytes         int        // maximal bytes in it
	Hook             redis.Hook // sees every command, if set; for tests and traces
	// Done is called after each call of Redis, if set. op is from a closed set. It
	// must not block.
	Done func(op string, took time.Duration, err error)
}

// DefaultConfig returns the values of the contract. The caller sets URL or
// Addrs.
func DefaultConfig() Config {
	return Config{
		CommandTimeout: time.Second, LeaseTTL: 5 * time.Second,
		RateLimit: 100, RateWindow: time.Minute, HelpLimit: 5, MaxSocketsPerUsr: 10,
		LogEntries: 200, LogBytes: 256 << 10,
	}
}

// TTLs of copies that are not used. Losing a copy costs a read of the history.
const (
	logTTL     = 15 * time.Minute
	stateTTL   = 24 * time.Hour
	forbidTTL  = 5 * time.Second
	reserveTTL = 60 * time.Second
	erasedTTL  = 15 * time.Minute // longer than remains of an erased session are looked for
	connTTL    = 60 * time.Second
	podTTL     = 15 * time.Second
	probeTTL   = 10 * time.Second
	aliveTTL   = 8 * time.Second // renewed with every pod card, every 2 s
	staffTTL   = 8 * time.Second // the same for admins with sockets on the pod

	staffMemory = 5 * time.Minute // how long the status of an admin without sockets is kept
	staffBlink  = time.Minute     // shorter absences do not count: a page was reloaded
)

// Client is a connection to Redis with the scripts loaded. It is safe for
// concurrent use. Its errors carry chatbox.Unavailable.
type Client struct {
	cfg     Config
	rdb     redis.UniversalClient
	seal    Sealer
	cluster *redis.ClusterClient // rdb, where it is one
	sharded bool                 // pub/sub is sharded: on a Cluster
	scripts map[string]*redis.Script
	folds   folds

	together together    // pieces of concurrent answers
	apart    atomic.Bool // the server refuses calls with keys of several slots
	dialer   *dialer     // nil: the client was passed to New
	served   atomic.Bool // Redis has completed a request once
	boot     string      // identifies this process among all past and present ones
}

// Open creates a client. It does not wait for the server. Its errors do not
// quote the URL, which may contain a password.
func Open(cfg Config, seal Sealer) (*Client, error) {
	rdb, d, err := dial(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.Hook != nil {
		rdb.AddHook(cfg.Hook)
	}
	c, err := New(cfg, rdb, seal)
	if err == nil {
		c.dialer = d
	}
	return c, err
}

// Dial creates the library's client as Open does. It connects on first use.
func Dial(cfg Config) (redis.UniversalClient, error) { //nolint:ireturn // which client it is depends on the configuration
	rdb, _, err := dial(cfg)
	return rdb, err
}

func dial(cfg Config) (redis.UniversalClient, *dialer, error) { //nolint:ireturn // as Dial
	o := redis.UniversalOptions{
		Addrs: cfg.Addrs, MasterName: cfg.Master, Username: cfg.Username, Password: cfg.Password, DB: cfg.DB,
		SentinelUsername: cfg.SentinelUsername, SentinelPassword: cfg.SentinelPassword, Protocol: cfg.Protocol,
		IsClusterMode: cfg.Cluster,
	}
	over := cfg.TLS
	if cfg.URL != "" {
		u, err := redis.ParseURL(cfg.URL)
		if err != nil {
			return nil, nil, errors.New("REDIS_URL: cannot be parsed")
		}
		o.Addrs, o.Username, o.Password, o.DB = []string{u.Addr}, u.Username, u.Password, u.DB
		if over = nil; u.TLSConfig != nil {
			over = func() (*tls.Config, error) { return u.TLSConfig.Clone(), nil }
		}
	}
	if over != nil {
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12} // makes the library expect TLS; the dialer performs it
	}
	d := &dialer{timeout: cfg.CommandTimeout, tls: over}
	o.Dialer = d.dial
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = cfg.CommandTimeout, cfg.CommandTimeout, cfg.CommandTimeout
	o.ContextTimeoutEnabled, o.MaxRetries, o.PoolSize = true, 1, cmp.Or(cfg.PoolSize, poolSize)
	o.ReadBufferSize, o.WriteBufferSize = connBuffer, connBuffer
	o.DisableIdentity = true
	if !o.IsClusterMode {
		return redis.NewUniversalClient(&o), d, nil
	}
	// The Cluster client itself retries after redirections and when a node
	// does not answer. By default it would look for a promoted replica only
	// once a minute.
	c := o.Cluster()
	c.MaxRetries, c.DialerRetries, c.ClusterStateReloadInterval = -1, 1, 5*time.Second
	return redis.NewClusterClient(c), d, nil
}

// poolSize is the default number of connections of a pod. Commands are short,
// so few connections serve thousands of sockets.
const poolSize = 64

// connBuffer is the size of each of a connection's two buffers. The library's
// default of 32 KiB would cost a pod 4 MiB; most commands need less than 2 KiB.
const connBuffer = 8 << 10

// New wraps an existing client, which Close closes. On a Cluster the scripts
// publish to sharded channels in the slot of their keys, so that a message
// goes only to the master that serves it.
func New(cfg Config, rdb redis.UniversalClient, seal Sealer) (*Client, error) {
	c := &Client{cfg: cfg, rdb: rdb, seal: seal, scripts: map[string]*redis.Script{}, boot: nonce()}
	c.together.c = c
	if c.cluster, c.sharded = rdb.(*redis.ClusterClient); c.sharded {
		rdb.AddHook(relearner{c})
	}
	texts := map[string]string{}
	files, err := scriptFiles.ReadDir("scripts")
	if err != nil {
		return nil, fmt.Errorf("read scripts: %w", err)
	}
	for _, f := range files {
		src, err := scriptFiles.ReadFile("scripts/" + f.Name())
		if err != nil {
			return nil, fmt.Errorf("read script %s: %w", f.Name(), err)
		}
		text := string(src)
		if c.sharded {
			text = strings.ReplaceAll(text, "'PUBLISH'", "'SPUBLISH'")
		}
		c.scripts[f.Name()], texts[f.Name()] = redis.NewScript(text), text
	}
	if cfg.Done != nil {
		rdb.AddHook(newTiming(c.scripts, texts, cfg.Done))
	}
	return c, nil
}

// Close closes all connections.
func (c *Client) Close() error { return c.rdb.Close() }

// run executes a script by its hash. It takes one round trip, and a second one
// if the server does not have the script.
func (c *Client) run(ctx context.Context, name string, keys []string, args ...any) *redis.Cmd {
	return c.scripts[name].Run(ctx, c.rdb, keys, args...)
}

// wrap gives an error of the server or the connection its code. Causes name
// commands and addresses, never payloads.
func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	if _, coded := errors.AsType[*chatbox.Error](err); coded {
		return err
	}
	if errors.Is(err, redis.ErrClosed) { // the process is shutting down: a retry is useless
		return chatbox.NewError(chatbox.Internal, "", fmt.Errorf("redis %s: %w", op, err))
	}
	return &chatbox.Error{Code: chatbox.Unavailable, Message: "the service is temporarily unavailable", Err: fmt.Errorf("redis %s: %w", op, err)}
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
