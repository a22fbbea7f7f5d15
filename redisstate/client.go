// Package redisstate keeps in Redis who owns what and what is hot, and carries
// events between pods. Everything in it is a copy or a lease: MongoDB has the
// truth, and an empty Redis is refilled from there. Every atomic act is one
// Lua file under scripts, whose header is its contract; every name is in
// keys.go. No plaintext that people wrote is ever sent: payloads are sealed.
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

// Sealer encrypts payloads; the parts of ad bind them to their place.
type Sealer interface {
	Seal(plain []byte, ad ...string) ([]byte, error)
	Open(box []byte, ad ...string) ([]byte, error)
}

// Config is how to reach Redis and how long things live there. Either URL is
// set, or Addrs: of the sentinels that watch Master, of a Cluster's nodes, or of
// the one server.
type Config struct {
	URL      string // redis:// or rediss://
	Addrs    []string
	Master   string
	Cluster  bool // Addrs are some of a Cluster's nodes
	Username string
	Password string
	DB       int
	TLS      func() (*tls.Config, error) // nil: none; asked for each connection, and the connection's own
	PoolSize int                         // connections; 0: 64
	Protocol int                         // of RESP; 0: 3

	SentinelUsername string // at the sentinels, which have users of their own
	SentinelPassword string

	CommandTimeout   time.Duration
	LeaseTTL         time.Duration
	RateLimit        int // durable frames per user and RateWindow
	RateWindow       time.Duration
	HelpLimit        int // requests for help per user and RateWindow
	MaxSocketsPerUsr int
	LogEntries       int        // most events of a session's hot log
	LogBytes         int        // most bytes of it
	Hook             redis.Hook // sees every command, if set: for tests and traces
}

// DefaultConfig has the values of the contract; URL is to be set.
func DefaultConfig() Config {
	return Config{
		CommandTimeout: time.Second, LeaseTTL: 5 * time.Second,
		RateLimit: 100, RateWindow: time.Minute, HelpLimit: 5, MaxSocketsPerUsr: 10,
		LogEntries: 200, LogBytes: 256 << 10,
	}
}

// How long copies live unless they are used. Losing one costs a re-read.
const (
	logTTL     = 15 * time.Minute
	stateTTL   = 24 * time.Hour
	forbidTTL  = 5 * time.Second
	reserveTTL = 60 * time.Second
	erasedTTL  = 15 * time.Minute // longer than traces of an erased session are looked for
	connTTL    = 60 * time.Second
	podTTL     = 15 * time.Second
	probeTTL   = 10 * time.Second
	aliveTTL   = 8 * time.Second // renewed with every card, every 2 s
	staffTTL   = 8 * time.Second // the same of admins with sockets there

	staffMemory = 5 * time.Minute // what an admin without sockets said still counts
	staffBlink  = time.Minute     // an absence that is none: a page was loaded anew
)

// Client is a connection to Redis with the scripts loaded. It is safe for
// concurrent use. Its errors carry chatbox.Unavailable.
type Client struct {
	cfg     Config
	rdb     redis.UniversalClient
	seal    Sealer
	cluster *redis.ClusterClient // rdb, where it is one
	sharded bool                 // pub/sub is: on a Cluster
	scripts map[string]*redis.Script
	dialer  *dialer     // nil: the client came from elsewhere
	served  atomic.Bool // Redis has done once what it was asked
	boot    string      // names this process among all that ever were
}

// Open makes the client; it does not wait for the server. Its errors do not
// quote the URL, which may hold a password.
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

// Dial makes the library's client as Open does. It connects when it is used.
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
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12} // tells the library that TLS is spoken; the dialer does it
	}
	d := &dialer{timeout: cfg.CommandTimeout, tls: over}
	o.Dialer = d.dial
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = cfg.CommandTimeout, cfg.CommandTimeout, cfg.CommandTimeout
	o.ContextTimeoutEnabled, o.MaxRetries, o.PoolSize = true, 1, cmp.Or(cfg.PoolSize, poolSize)
	o.DisableIdentity = true
	if !o.IsClusterMode {
		return redis.NewUniversalClient(&o), d, nil
	}
	// A Cluster's client repeats by itself where it is redirected or a node does
	// not answer; left to its defaults it would look for a promoted replica once
	// a minute.
	c := o.Cluster()
	c.MaxRetries, c.DialerRetries, c.ClusterStateReloadInterval = -1, 1, 5*time.Second
	return redis.NewClusterClient(c), d, nil
}

// poolSize bounds the connections of a pod; commands are short, so that few
// are enough for thousands of sockets.
const poolSize = 64

// New wraps a client that exists; Close closes it. On a Cluster the scripts
// publish to sharded channels, which share their keys' slot, so that a message
// goes to the one master that serves it and not to every node.
func New(cfg Config, rdb redis.UniversalClient, seal Sealer) (*Client, error) {
	c := &Client{cfg: cfg, rdb: rdb, seal: seal, scripts: map[string]*redis.Script{}, boot: nonce()}
	if c.cluster, c.sharded = rdb.(*redis.ClusterClient); c.sharded {
		rdb.AddHook(relearner{c})
	}
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
		c.scripts[f.Name()] = redis.NewScript(text)
	}
	return c, nil
}

// Close ends all connections.
func (c *Client) Close() error { return c.rdb.Close() }

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
	if _, coded := errors.AsType[*chatbox.Error](err); coded {
		return err
	}
	if errors.Is(err, redis.ErrClosed) { // the process ends: nothing to wait for
		return chatbox.NewError(chatbox.Internal, "", fmt.Errorf("redis %s: %w", op, err))
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
