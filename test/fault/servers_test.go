//go:build fault

package fault

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"chatbox/cmd/chatload/client"
)

// redisServer is a Redis of one test's own: it keeps nothing across a restart.
type redisServer struct {
	*process

	addr string
}

func startRedis(ctx context.Context, t *testing.T, dir string) *redisServer {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("NOT RUN: no redis-server on this machine (make test-fault installs it)")
	}
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	r := &redisServer{addr: fmt.Sprintf("127.0.0.1:%d", port)}
	r.process = &process{
		name: "redis", log: filepath.Join(dir, "redis.log"), env: []string{"LANG=C"},
		argv: []string{
			path, "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir(),
		},
	}
	if err := r.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
	r.await(ctx, t)
	return r
}

func (r *redisServer) url() string { return "redis://" + r.addr + "/0" }

// await returns when it answers.
func (r *redisServer) await(ctx context.Context, t *testing.T) {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: r.addr, MaxRetries: -1, DialTimeout: time.Second})
	defer c.Close()
	until(ctx, t, "redis answers", longestWait, func(ctx context.Context) bool { return c.Ping(ctx).Err() == nil })
}

// emptied kills it and starts it again with nothing in it, after away.
func (r *redisServer) emptied(ctx context.Context, t *testing.T, away time.Duration) {
	t.Helper()
	signal(t, r.process, syscall.SIGKILL)
	if _, err := r.wait(ctx); err != nil {
		t.Fatal(err)
	}
	hold(ctx, t, away)
	if err := r.start(); err != nil {
		t.Fatal(err)
	}
	r.await(ctx, t)
}

// mongoServer is the server all tests share, with a database of the test's own.
type mongoServer struct {
	uri, database string
}

func openMongo(ctx context.Context, t *testing.T) *mongoServer {
	t.Helper()
	m := &mongoServer{uri: os.Getenv("CHATBOX_TEST_MONGO_URI"), database: "fault_" + strings.ToLower(client.NewID()[:12])}
	if m.uri == "" {
		t.Skip("NOT RUN: CHATBOX_TEST_MONGO_URI names no server (make test-fault starts one)")
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), longestWait)
		defer cancel()
		c, err := mongo.Connect(ctx, options.Client().ApplyURI(m.uri))
		if err != nil {
			t.Error(err)
			return
		}
		if err := c.Database(m.database).Drop(ctx); err != nil {
			t.Errorf("drop %s: %v", m.database, err)
		}
		_ = c.Disconnect(ctx) // nothing is owed
	})
	return m
}

// controlled skips the test where the server is not one that may be stopped.
func (m *mongoServer) controlled(t *testing.T) {
	t.Helper()
	if os.Getenv("CHATBOX_TEST_SERVERS") == "" || os.Getenv("SERVERS_STATE") == "" {
		t.Skip("NOT RUN: the MongoDB server was not started by scripts/servers.sh, so it may not be stopped")
	}
}

// act stops, kills, starts, pauses or resumes the server.
func (m *mongoServer) act(ctx context.Context, t *testing.T, verb string) {
	t.Helper()
	// Its children outlive it and would hold a pipe open.
	log, err := os.Create(filepath.Join(t.TempDir(), verb))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, os.Getenv("CHATBOX_TEST_SERVERS"), verb, "mongo")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		said, _ := os.ReadFile(log.Name()) // the failure is reported in any case
		t.Fatalf("%s mongo: %v\n%s", verb, err, said)
	}
}

func signal(t *testing.T, p *process, s syscall.Signal) {
	t.Helper()
	if err := p.signal(s); err != nil {
		t.Fatal(err)
	}
}

// kill ends a pod by SIGKILL and returns when it is gone.
func (c *cluster) kill(p *pod) {
	c.t.Helper()
	signal(c.t, p.process, syscall.SIGKILL)
	if _, err := p.wait(c.ctx); err != nil {
		c.t.Fatal(err)
	}
}

// pause stops a process for a while.
func (c *cluster) pause(p *process, span time.Duration) {
	c.t.Helper()
	signal(c.t, p, syscall.SIGSTOP)
	hold(c.ctx, c.t, span)
	signal(c.t, p, syscall.SIGCONT)
}
