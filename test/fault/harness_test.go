//go:build fault

package fault

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chatbox/cmd/chatload/client"
	"chatbox/test/servers"
)

// The models that every cluster offers.
const (
	modelAnew     = "anew"     // an answer that lost its pod is begun again
	modelContinue = "continue" // such an answer continues where it was
	modelVaried   = "varied"   // such an answer continues; every call gives another text
)

// cluster is three pods, what they stand on, and the clients of one test.
type cluster struct {
	t        *testing.T
	ctx      context.Context
	dir      string // logs
	redis    *redisServer
	set      *servers.Set // instead of it, where the setup says so
	mongo    *mongoServer
	wire     *wire // before it, where the setup has one
	model    *model
	pods     []*pod
	balancer *balancer
	http     *http.Client
	secret   string // signs tokens
	canary   string // is in every message
	words    words
	leaving  map[*client.Client]func() // ends a device and waits for it
}

// pod is one pod's process.
type pod struct {
	*process

	addr string
}

func (p *pod) url() string { return "http://" + p.addr }

// words are what must never be in a log.
type words struct {
	mu  sync.Mutex // guards following
	all map[string]string
}

func (w *words) add(kind, word string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[string]string{}
	}
	w.all[word] = kind
}

// setup changes a cluster.
type setup struct {
	race  bool                               // pods built with the race detector
	env   map[string]string                  // of the pods
	each  func(pod string) map[string]string // of one pod; nil: none
	wire  persona                            // what stands before the history's server; none
	redis string                             // servers.Sentinel or servers.Cluster; one server
}

// start brings up three pods behind a balancer; all are ready when it returns.
func start(t *testing.T, o setup) *cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	t.Cleanup(cancel)
	bin, err := plainPod()
	if o.race {
		bin, err = racePod()
	}
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{
		t: t, ctx: ctx, dir: filepath.Join(outDir, t.Name()), secret: random(), canary: "canary" + random()[:16], leaving: map[*client.Client]func(){},
		http: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	if err := os.RemoveAll(c.dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c.mongo = openMongo(ctx, t)
	if o.wire != "" {
		c.wire = startWire(ctx, t, c.mongo, o.wire)
	}
	if o.redis != "" {
		c.set = servers.Start(t, o.redis)
	} else {
		c.redis = startRedis(ctx, t, c.dir)
	}
	c.model = startModel(t)
	c.startPods(bin, o)
	c.balancer = startBalancer(ctx, t, c.pods)
	until(ctx, t, "all pods are ready", longestWait, func(ctx context.Context) bool {
		for _, p := range c.pods {
			if !p.running() {
				t.Fatalf("%s ended while starting: see %s", p.name, p.log)
			}
		}
		return c.balancer.allReady(ctx)
	})
	return c
}

func (c *cluster) startPods(bin string, o setup) {
	c.t.Helper()
	c.t.Cleanup(c.endPods)
	key, vendor := random(), random()
	c.words.add("the signing secret", c.secret)
	c.words.add("the encryption key", key)
	c.words.add("the vendor's key", vendor)
	c.words.add("the text of a message", c.canary)
	history := c.mongo.uri
	if c.wire != nil {
		history = c.wire.uri()
	}
	for n := range 3 {
		name := fmt.Sprintf("pod-%d", n+1)
		port, err := freePort()
		if err != nil {
			c.t.Fatal(err)
		}
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		env := map[string]string{
			"CHATBOX_ENV": "development", "POD_ID": name, "LISTEN_ADDR": addr, "JWT_SECRET": c.secret, "ENCRYPTION_KEY": key,
			"REDIS_URL": c.redisURL(), "MONGO_URI": history, "MONGO_DATABASE": c.mongo.database,
			"RATE_LIMIT": "1000000", "REST_RATE_LIMIT": "1000000", "ADMIN_RATE_LIMIT": "1000000",
			"DRAIN_FINISH": "1s", "DRAIN_WINDOW": "2s", "SHUTDOWN_TIMEOUT": "20s",
			"LOG_LEVEL": "debug", "GORACE": "halt_on_error=1",
		}
		for i, id := range []string{modelAnew, modelContinue, modelVaried} {
			provider := fmt.Sprintf("LLM_PROVIDER_%d_", i+1)
			maps.Copy(env, map[string]string{
				provider + "ID": id, provider + "NAME": id, provider + "TYPE": "openai", provider + "MODEL": id,
				provider + "ENDPOINT": c.model.endpoint(name), provider + "API_KEY": vendor,
			})
		}
		env["LLM_PROVIDER_2_CONTINUE"], env["LLM_PROVIDER_3_CONTINUE"] = "prefix", "prefix"
		maps.Copy(env, o.env)
		if o.each != nil {
			maps.Copy(env, o.each(name))
		}
		p := &pod{addr: addr, process: &process{name: name, argv: []string{bin}, log: filepath.Join(c.dir, name+".log")}}
		for k, v := range env {
			p.env = append(p.env, k+"="+v)
		}
		c.pods = append(c.pods, p)
		if err := p.start(); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *cluster) redisURL() string {
	if c.set != nil {
		return c.set.URL
	}
	return c.redis.url()
}

// endPods ends what still runs and reads what the pods have said.
func (c *cluster) endPods() {
	for _, p := range c.pods {
		if err := p.end(); err != nil {
			c.t.Error(err)
		}
	}
	c.scan()
}

func random() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func (c *cluster) pod(name string) *pod {
	for _, p := range c.pods {
		if p.name == name {
			return p
		}
	}
	c.t.Fatalf("no pod %q", name)
	return nil
}

// other is a pod that is not one of these.
func (c *cluster) other(than ...*pod) *pod {
	for _, p := range c.pods {
		not := true
		for _, q := range than {
			not = not && p != q
		}
		if not {
			return p
		}
	}
	c.t.Fatal("no other pod")
	return nil
}

// ready waits for a pod's readiness as it tells it itself.
func (c *cluster) ready(p *pod) time.Duration {
	c.t.Helper()
	return until(c.ctx, c.t, p.name+" is ready", longestWait, func(ctx context.Context) bool {
		status, err := get(ctx, c.http, p.url()+"/chatbox/readyz")
		return err == nil && status == http.StatusOK
	})
}

// restart starts a pod that has ended and waits until it is given clients again.
func (c *cluster) restart(p *pod) {
	c.t.Helper()
	if err := p.start(); err != nil {
		c.t.Fatal(err)
	}
	c.ready(p)
	until(c.ctx, c.t, "the balancer sees "+p.name, longestWait, c.balancer.allReady)
}

// drained sends SIGTERM and waits for the end, which must be a good one. It
// returns how long that took.
func (c *cluster) drained(p *pod) time.Duration {
	c.t.Helper()
	began := time.Now()
	signal(c.t, p.process, syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(c.ctx, longestWait)
	defer cancel()
	if code, err := p.wait(ctx); err != nil || code != 0 {
		c.t.Errorf("%s after SIGTERM: exit code %d, %v", p.name, code, err)
	}
	return time.Since(began)
}

func (c *cluster) token(user string, roles ...string) string {
	c.t.Helper()
	claims := jwt.MapClaims{"user_id": user, "name": user, "exp": time.Now().Add(time.Hour).Unix()}
	if len(roles) > 0 {
		claims["roles"] = roles
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(c.secret))
	if err != nil {
		c.t.Fatal(err)
	}
	// The signature alone makes it one.
	c.words.add("a token", token[strings.LastIndex(token, ".")+1:])
	return token
}

func (c *cluster) rest(user string) *client.REST {
	token := c.token(user)
	return &client.REST{
		URLs: []string{c.balancer.url()}, HTTP: c.http, Token: func(context.Context) (string, error) { return token, nil },
	}
}
