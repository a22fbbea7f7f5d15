package client

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func rest(t *testing.T, mux *http.ServeMux) *REST {
	t.Helper()
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return &REST{
		URLs: []string{srv.URL + "/"}, HTTP: srv.Client(),
		Token: func(context.Context) (string, error) { return "tok", nil },
	}
}

func TestREST_PagesTheWholeHistory(t *testing.T) {
	t.Parallel()
	const head = 1203
	mux := http.NewServeMux()
	mux.HandleFunc("GET /chatbox/sessions/{id}", func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "Bearer tok", r.Header.Get("Authorization"))
		after, _ := strconv.Atoi(r.URL.Query().Get("after_seq"))
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		fmt.Fprintf(w, `{"session_id":%q,"head_seq":%d,"messages":[`, r.PathValue("id"), head)
		for i := after + 1; i <= min(after+limit, head); i++ {
			if i > after+1 {
				fmt.Fprint(w, ",")
			}
			fmt.Fprintf(w, `{"id":"m%d","seq":%d}`, i, i)
		}
		fmt.Fprintf(w, `],"truncated":%v}`, after+limit < head)
	})
	all, err := rest(t, mux).History(t.Context(), "s 1")
	require.NoError(t, err)
	require.Len(t, all, head)
	for i, m := range all {
		require.Equal(t, int64(i+1), m.Seq)
	}
}

func TestREST_RepeatsWhatMayBeRepeated(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	mux := http.NewServeMux()
	mux.HandleFunc("POST /chatbox/sessions/s/messages", func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, `{"id":"q","seq":7}`)
	})
	mux.HandleFunc("POST /chatbox/sessions/gone/end", func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"error":"x","code":"NOT_FOUND","message":"no such session"}`)
	})
	r := rest(t, mux)
	seq, err := r.Post(t.Context(), "s", "q", "hi")
	require.NoError(t, err)
	assert.Equal(t, int64(7), seq)
	assert.Equal(t, int32(3), calls.Load())
	var failed *StatusError
	require.ErrorAs(t, r.End(t.Context(), "gone"), &failed)
	assert.Equal(t, "NOT_FOUND", failed.Code)
	assert.Equal(t, int32(4), calls.Load())
}

func TestREST_Lists(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	answer := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }
	}
	mux.HandleFunc("GET /chatbox/sessions", answer(`{"sessions":[{"id":"a"}],"count":1,"next_cursor":"n"}`))
	mux.HandleFunc("GET /chatbox/admin/cluster", answer(`{"pods":[{"id":"p1","connections":3}]}`))
	mux.HandleFunc("POST /chatbox/ticket", answer(`{"ticket":"t","expires_in":30}`))
	mux.HandleFunc("GET /chatbox/readyz", answer(`{"status":"ready"}`))
	mux.HandleFunc("GET /chatbox/sessions/s", answer(`{"messages":[{"seq":4}],"head_seq":4}`))
	r := rest(t, mux)
	list, err := r.List(t.Context(), 10, "c")
	require.NoError(t, err)
	assert.Equal(t, "a", list.Sessions[0].ID)
	assert.Equal(t, "n", list.NextCursor)
	pods, err := r.Cluster(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 3, pods[0].Connections)
	ticket, err := r.Ticket(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "t", ticket)
	require.NoError(t, r.Ready(t.Context()))
	page, err := r.Before(t.Context(), "s", 5, 1)
	require.NoError(t, err)
	assert.Equal(t, int64(4), page.HeadSeq)
}
