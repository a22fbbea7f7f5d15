//go:build integration

package integration

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/testcontainers/testcontainers-go"
	tcmongo "github.com/testcontainers/testcontainers-go/modules/mongodb"
	tcredis "github.com/testcontainers/testcontainers-go/modules/redis"
)

// A server is what a variable names, or a container of this run's own.
type server struct {
	variable string
	start    func(ctx context.Context) (c testcontainers.Container, uri string, err error)

	once sync.Once
	uri  string
	err  error
}

var (
	redisServer = server{variable: "CHATBOX_TEST_REDIS_URL", start: redisContainer}
	mongoServer = server{variable: "CHATBOX_TEST_MONGO_URI", start: mongoContainer}

	started struct { // what TestMain ends: without a reaper nobody else does
		sync.Mutex

		containers []testcontainers.Container
	}
)

// address is where the server answers, started when it is first asked for;
// where nothing names one and no container can be had, the test did not run.
func (s *server) address(tb testing.TB) string {
	tb.Helper()
	if named := os.Getenv(s.variable); named != "" {
		return named
	}
	if !engineThere(tb.Context()) {
		tb.Skipf("NOT RUN: %s names no server, and no container engine answers", s.variable)
	}
	s.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), 5*time.Minute) // an image may be pulled
		defer cancel()
		var c testcontainers.Container
		c, s.uri, s.err = s.start(ctx)
		if c != nil {
			started.Lock()
			started.containers = append(started.containers, c)
			started.Unlock()
		}
	})
	require.NoError(tb, s.err)
	return s.uri
}

// engineThere asks once; the library panics where it finds no engine at all.
var engineThere = func() func(context.Context) bool {
	var once sync.Once
	var there bool
	return func(ctx context.Context) bool {
		once.Do(func() {
			defer func() { _ = recover() }()
			provider, err := testcontainers.ProviderDocker.GetProvider()
			there = err == nil && provider.Health(ctx) == nil
		})
		return there
	}
}()

func redisContainer(ctx context.Context) (testcontainers.Container, string, error) {
	c, err := tcredis.Run(ctx, image("CHATBOX_TEST_REDIS_IMAGE", "redis:8-alpine"))
	if err != nil {
		return c, "", err
	}
	uri, err := c.ConnectionString(ctx)
	return c, uri, err
}

// mongoContainer starts a replica set of one. An image that was named may be any
// server that speaks the protocol, alone.
func mongoContainer(ctx context.Context) (testcontainers.Container, string, error) {
	var opts []testcontainers.ContainerCustomizer
	if os.Getenv("CHATBOX_TEST_MONGO_IMAGE") == "" {
		opts = append(opts, tcmongo.WithReplicaSet("rs0"))
	}
	c, err := tcmongo.Run(ctx, image("CHATBOX_TEST_MONGO_IMAGE", "mongo:8"), opts...)
	if err != nil {
		return c, "", err
	}
	uri, err := c.ConnectionString(ctx)
	if opts != nil {
		uri += "&directConnection=true" // the set knows itself by a name of its container's network
	}
	return c, uri, err
}

func image(variable, or string) string {
	if named := os.Getenv(variable); named != "" {
		return named
	}
	return or
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, c := range started.containers {
		if err := testcontainers.TerminateContainer(c); err != nil {
			fmt.Fprintln(os.Stderr, "a container is left:", err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}
