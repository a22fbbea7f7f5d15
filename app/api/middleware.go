package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"chatbox"
	"chatbox/internal/logattr"

	"github.com/labstack/echo/v4"
	"github.com/labstack/gommon/log"
)

// off silences the framework's own logger; all logging goes through slog.
const off = log.OFF

// maxBody is the maximum length of a request's body in bytes.
const maxBody = 256 << 10

const headerRequestID = "X-Request-Id"

// actorKey and idKey are the context keys of the request's actor and id.
const (
	actorKey = "actor"
	idKey    = "request_id"
)

// identify sets each request's id: the caller's if that is well formed, else a
// new one.
func (e *edge) identify(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := c.Request().Header.Get(headerRequestID)
		if !chatbox.ValidMessageID(id) {
			id = rand.Text()
		}
		id = strings.Clone(id) // without a copy, a socket would keep the whole request in memory
		c.Set(idKey, id)
		c.SetRequest(c.Request().WithContext(logattr.With(c.Request().Context(), slog.String(idKey, id))))
		c.Response().Header().Set(headerRequestID, id)
		return next(c)
	}
}

func requestID(c echo.Context) string {
	id, _ := c.Get(idKey).(string)
	return id
}

// secure sets the security headers of every response.
func (e *edge) secure(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		e.setSecurity(c.Request(), c.Response().Header())
		return next(c)
	}
}

// stayEncrypted makes browsers use https only, for a year.
const stayEncrypted = "max-age=31536000"

func (e *edge) setSecurity(r *http.Request, h http.Header) {
	if cameEncrypted(r, e.cfg.TrustedProxies) {
		h.Set("Strict-Transport-Security", stayEncrypted)
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// access counts and logs each request, even if its response is aborted by a
// panic with http.ErrAbortHandler.
func (e *edge) access(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began, aborted := time.Now(), true
		defer func() { e.accessed(c, time.Since(began), aborted) }()
		if err := next(c); err != nil {
			c.Error(err)
		}
		aborted = false
		return nil
	}
}

// accessed counts a request and logs it by its route, never by its path or query,
// because both may contain credentials.
func (e *edge) accessed(c echo.Context, took time.Duration, aborted bool) {
	level, status := slog.LevelDebug, c.Response().Status
	e.timed(c, status, took)
	if status >= http.StatusInternalServerError && status != http.StatusServiceUnavailable {
		level = slog.LevelWarn
	}
	e.log.Log(c.Request().Context(), level, "request", "method", c.Request().Method, "route", c.Path(), "status", status,
		"bytes", c.Response().Size, "took", took, "ip", c.RealIP(), "aborted", aborted)
}

// contain turns a panic into an error of that request only.
func (e *edge) contain(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if e, ok := v.(error); ok && errors.Is(e, http.ErrAbortHandler) {
				panic(v)
			}
			e.log.ErrorContext(c.Request().Context(), "handler panicked", "route", c.Path(), "panic", fmt.Sprint(v),
				"stack", string(debug.Stack()))
			err = chatbox.NewError(chatbox.Internal, "", nil)
		}()
		return next(c)
	}
}

// cors lets pages of the listed origins read responses. Without a list it sets no
// header, and browsers allow the same origin only.
func (e *edge) cors(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		origin := originsOf(c.Request())
		h := c.Response().Header()
		if e.cfg.CORS.Any || len(e.cfg.CORS.List) > 0 {
			h.Add("Vary", "Origin")
		}
		if origin == "" || !e.cfg.CORS.Allow(origin) {
			return next(c)
		}
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Expose-Headers", "Content-Disposition, Content-Location, ETag, Retry-After, "+headerRequestID)
		if c.Request().Method != http.MethodOptions || c.Request().Header.Get("Access-Control-Request-Method") == "" {
			return next(c)
		}
		h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, "+headerRequestID)
		h.Set("Access-Control-Max-Age", "600")
		return c.NoContent(http.StatusNoContent)
	}
}

// limitBody refuses bodies longer than maxBody. A body whose Content-Length says
// so is refused after authentication, others while they are read.
func (e *edge) limitBody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if r := c.Request(); r.Body != nil && !e.uploads(c) {
			r.Body = http.MaxBytesReader(c.Response(), r.Body, maxBody)
		}
		return next(c)
	}
}

// uploads reports whether the route takes files, whose length it bounds itself.
func (e *edge) uploads(c echo.Context) bool {
	return c.Request().Method == http.MethodPost && c.Path() == e.cfg.Prefix+"/files"
}

// user admits only requests with a valid token, within the user's rate limit
// and in the user's turn. The body is not read before that.
func (e *edge) user(next echo.HandlerFunc) echo.HandlerFunc { return e.signedIn(e.turn(next)) }

// signedIn is user without a wait for the user's turn: for routes whose requests
// wait for turns of their own.
func (e *edge) signedIn(next echo.HandlerFunc) echo.HandlerFunc {
	return e.authenticated(func(c echo.Context) error {
		if c.Request().ContentLength > maxBody {
			return chatbox.NewError(chatbox.TooLarge, "the body is too large", nil)
		}
		return next(c)
	})
}

// authenticated is signedIn without a bound of the body.
func (e *edge) authenticated(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		token, _ := bearer(c.Request())
		actor, err := e.auth.Actor(c.Request().Context(), token)
		if err != nil {
			if !errors.Is(err, chatbox.Unavailable) {
				c.Response().Header().Set("WWW-Authenticate", "Bearer")
			}
			return err
		}
		if err := e.gate.Admit(c.Request().Context(), actor); err != nil {
			return err
		}
		known(c)
		c.Set(actorKey, actor)
		return next(c)
	}
}

// actorOf returns the actor of a request that passed user.
func actorOf(c echo.Context) chatbox.Actor {
	a, _ := c.Get(actorKey).(chatbox.Actor)
	return a
}

// staff admits admins and those with read-only access to admin data.
func (e *edge) staff(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !actorOf(c).Staff() {
			return chatbox.NewError(chatbox.PermissionDenied, "this is for staff", nil)
		}
		return next(c)
	}
}

// admin admits only admins. It runs after user.
func (e *edge) admin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !actorOf(c).Admin() {
			return chatbox.NewError(chatbox.PermissionDenied, "this is for admins", nil)
		}
		return next(c)
	}
}

// fromMetricsNetworks admits only clients in the configured networks.
func (e *edge) fromMetricsNetworks(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		ip, err := netip.ParseAddr(c.RealIP())
		if err != nil || !contains(e.cfg.MetricsNetworks, ip) {
			return chatbox.NewError(chatbox.PermissionDenied, "metrics are not served to this address", nil)
		}
		return next(c)
	}
}

func contains(networks []netip.Prefix, ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(ip) })
}

// clientIP trusts X-Forwarded-For only as far as trusted proxies wrote it: it
// reads from the right, up to the first address that is not a trusted proxy.
func clientIP(trusted []netip.Prefix) echo.IPExtractor {
	return func(r *http.Request) string {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			host = r.RemoteAddr
		}
		ip, err := netip.ParseAddr(host)
		if err != nil {
			return host
		}
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		for _, hop := range slices.Backward(hops) {
			if !contains(trusted, ip) {
				break
			}
			before, err := netip.ParseAddr(strings.TrimSpace(hop))
			if err != nil {
				break
			}
			ip = before
		}
		return ip.Unmap().WithZone("").String()
	}
}

// cameEncrypted reports whether the client used TLS, with this pod or with a
// trusted proxy that says so. With several proxies, the value of the first
// counts, because the client connected to that one.
func cameEncrypted(r *http.Request, trusted []netip.Prefix) bool {
	if r.TLS != nil {
		return true
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !contains(trusted, peer.Addr()) {
		return false
	}
	first, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",")
	return strings.EqualFold(strings.TrimSpace(first), "https")
}

// detached returns a context for work that must be done after a request has
// ended.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
}
