package devstack

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync/atomic"

	"chatbox"
)

// balancer distributes requests and sockets over the pods in turn, without
// affinity, so a client's earlier requests do not affect where it goes.
type balancer struct {
	proxy *httputil.ReverseProxy
	pods  func() []string
	next  atomic.Uint64
	base  *http.Transport
}

func newBalancer(pods func() []string) *balancer {
	b := &balancer{pods: pods, base: &http.Transport{MaxIdleConnsPerHost: 32}}
	b.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetXForwarded()
			r.Out.Host = r.In.Host
			r.Out.URL.Scheme, r.Out.URL.Host = "http", "pod"
			r.Out.URL.RawQuery = r.In.URL.RawQuery // otherwise badly escaped parameters would be dropped; refusing them is up to the pods
		},
		Transport: b,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		},
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	return b
}

// RoundTrip sends the request to the next pod. A pod that cannot be reached is
// skipped, which is safe because none of the request has been sent to it.
func (b *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	pods := b.pods()
	turn := b.next.Add(1)
	for i := range pods {
		out := r.Clone(r.Context())
		out.URL.Host = pods[(turn+uint64(i))%uint64(len(pods))]
		res, err := b.base.RoundTrip(out)
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
			continue
		}
		return res, err
	}
	return nil, errors.New("no pod is running")
}

// handler returns the balancer with the stack's own routes.
func (s *Stack) handler() http.Handler {
	mux, switches := http.NewServeMux(), http.NewServeMux()
	mux.Handle("/dev/", s.guard(switches))
	switches.HandleFunc("GET /dev/pods", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.Pods()) // a failure means that the client is gone
	})
	switches.HandleFunc("GET /dev/targets", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.targets()) // as above
	})
	act := func(f func(ctx context.Context, id chatbox.PodID) error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			switch err := f(context.WithoutCancel(r.Context()), chatbox.PodID(r.PathValue("id"))); {
			case errors.Is(err, errNoPod):
				http.Error(w, err.Error(), http.StatusNotFound)
			case err != nil:
				http.Error(w, err.Error(), http.StatusConflict)
			default:
				w.WriteHeader(http.StatusNoContent)
			}
		}
	}
	switches.HandleFunc("POST /dev/pods/{id}/kill", act(func(_ context.Context, id chatbox.PodID) error { return s.KillPod(id) }))
	switches.HandleFunc("POST /dev/pods/{id}/drain", act(s.DrainPod))
	switches.HandleFunc("POST /dev/pods/{id}/start", act(s.StartPod))
	mux.Handle("GET /{$}", http.RedirectHandler(prefix+"/console/", http.StatusFound))
	mux.Handle("/", s.balancer.proxy)
	// Requests for the pods bypass the mux, which would redirect paths that are
	// not clean.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, prefix+"/") {
			s.balancer.proxy.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}
