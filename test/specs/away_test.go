package specs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"chatbox/app/alert"
	"chatbox/app/devstack"
	"chatbox/helpdesk"
	"chatbox/providers/llm"
)

// deaf is a way to tell staff that never works.
type deaf struct{}

func (deaf) Name() string { return "deaf" }
func (deaf) Kind() string { return "webhook" }
func (deaf) Send(context.Context, helpdesk.AlertMessage) error {
	return errors.New("nobody is there")
}

// away provokes what is said while a model is silent, then while the history
// cannot be read, then while Redis refuses everything.
func away(t *testing.T, rec *Recorder) {
	t.Helper()
	redis := miniredis.RunT(t)
	data := t.TempDir()
	w := start(t, rec, func(cfg *devstack.Config) {
		cfg.RedisURL, cfg.Data = "redis://"+redis.Addr(), data
		cfg.Log.AckWait = 3 * time.Second // a busy machine needs some of it
		cfg.Channels, cfg.Alerts.Tries, cfg.Alerts.Backoff = []alert.Channel{deaf{}}, 1, time.Millisecond
		var err error
		cfg.LLM, err = llm.New(llm.Config{
			Providers:     []llm.Provider{{ID: "small", Name: "Small", Type: "scripted", Endpoint: "scripted://?delay=1ms"}},
			StreamTimeout: time.Second, IdleTimeout: 200 * time.Millisecond,
		}, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
	})
	ann, bob := w.person("", "ann"), w.person("", "bob", "admin")
	a, boss := ann.socket(0, "?session_id=s-1"), bob.socket(1, "")
	a.send(`{"type":"user_message","id":"m-1","session_id":"s-1","content":"[[stall=0]]"}`)
	a.sees("failure", isType("error"), code("LLM_TIMEOUT"))
	a.send(`{"type":"help_request","id":"h-1","session_id":"s-1"}`)
	boss.sees("the notice that the channel failed", isType("notification"), meta("event", "notify_failed"))
	var token string
	w.eventually("a link", func() bool {
		shared := ann.at(0, http.MethodPost, "/sessions/s-1/share", "")
		if shared.status == http.StatusOK {
			token = shared.member(t, "share_token")
		}
		return token != ""
	})

	file := "/files/" + ann.want(http.StatusCreated, http.MethodPost, "/files", upload("x")).member(t, "file_id")
	file = ann.fileLink(file)

	back := hide(t, filepath.Join(data, "history.db"))
	w.everything(ann, bob, token, file)
	a.refusedWith("DATABASE_ERROR")
	back()

	redis.SetError("LOADING Redis is loading the dataset in memory")
	w.everything(ann, bob, token, file)
	w.eventually("an unready pod", func() bool { return ann.at(0, http.MethodGet, "/readyz", "").status == http.StatusServiceUnavailable })
	a.refusedWith("SERVICE_ERROR")
	redis.SetError("")
}

// refusedWith sends messages until one is refused with the code: one that took
// too long is refused with another.
func (s *socket) refusedWith(want string) {
	s.w.t.Helper()
	n := 0
	s.w.eventually(want, func() bool {
		n++
		id := fmt.Sprintf("%s-%d", want, n)
		s.send(`{"type":"user_message","id":"%s","session_id":"s-1","content":"x"}`, id)
		return code(want)(s.sees("refusal", isType("error"), hasID(id)))
	})
}

// everything asks for all that may be answered with 503. Most requests wait as
// long as a pod waits for its store, so several wait at once.
func (w *world) everything(user, admin person, token, fileLink string) {
	w.t.Helper()
	var asked errgroup.Group
	asked.SetLimit(6)
	for _, op := range w.rec.docs.Operations {
		if op.kinds[http.StatusServiceUnavailable] == nil || op.Path == "/ws" {
			continue
		}
		who, path := user, strings.Replace(op.Path, "{token}", token, 1)
		if strings.HasPrefix(path, "/admin") {
			who = admin
		}
		if path == "/admin/previews" {
			path += "?sessions=s-1" // nothing is read of none
		}
		switch path {
		case "/files/{id}":
			path, _, _ = strings.Cut(fileLink, "/content?")
		case "/files/{id}/content":
			path = fileLink
		}
		path = strings.Replace(path, "/users/{id}", "/users/nobody", 1)
		asked.Go(func() error {
			_, err := who.ask(0, op.Method, strings.Replace(path, "{id}", "s-1", 1), body(op.Method, op.Path))
			return err
		})
	}
	require.NoError(w.t, asked.Wait())
}

// eventually asks until ok is true.
func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	late, again := time.NewTimer(patience), time.NewTicker(5*time.Millisecond)
	defer late.Stop()
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-late.C:
			w.t.Fatalf("no %s", what)
		}
	}
}

// hide gives the history's tables other names until back is called.
func hide(t *testing.T, file string) (back func()) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(20000)")
	require.NoError(t, err)
	var tables []string
	rows, err := db.QueryContext(t.Context(), `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`)
	require.NoError(t, err)
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		tables = append(tables, name)
	}
	require.NoError(t, rows.Err())
	require.NoError(t, rows.Close())
	require.NotEmpty(t, tables)
	rename := func(from, to string) {
		_, err := db.ExecContext(t.Context(), `ALTER TABLE "`+from+`" RENAME TO "`+to+`"`)
		require.NoError(t, err)
	}
	for _, name := range tables {
		rename(name, name+"_hidden")
	}
	return func() {
		for _, name := range tables {
			rename(name+"_hidden", name)
		}
		require.NoError(t, db.Close())
	}
}
