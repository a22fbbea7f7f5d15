package api

import (
	"net/netip"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"chatbox"
	"chatbox/app/door"
)

// How many requests without a credential an address may send per minute, and how
// many addresses are counted separately; further addresses share one count. All
// clients behind an untrusted proxy count as one address.
const (
	anonymousPerMinute = 300
	anonymousAddresses = 20_000
)

// anonymous counts requests without a credential, on this pod only. It limits the
// cost of requests with guessed tokens and of many concurrent requests. Tokens are
// too long to guess.
type anonymous struct {
	mu     sync.Mutex // guards following
	minute time.Time
	visits map[netip.Prefix]int
	under  map[netip.Prefix]int // running requests that have shown no credential
}

// networkOf returns the network that counts as one address, or the zero prefix
// for an invalid ip.
func networkOf(ip string) netip.Prefix {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return netip.Prefix{}
	}
	return door.Network(a)
}

// enter counts a running request without a credential, and reports whether the
// address may have one more. The caller calls leave once, when the request ends
// or shows a credential.
func (s *anonymous) enter(ip string, most int) (leave func(), ok bool) {
	from := networkOf(ip)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.under == nil {
		s.under = map[netip.Prefix]int{}
	}
	if s.under[from] >= most {
		return nil, false
	}
	s.under[from]++
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.under[from]--; s.under[from] == 0 {
			delete(s.under, from)
		}
	}), true
}

// visit counts one request and returns how long to wait if it exceeds the limit.
func (s *anonymous) visit(ip string, at time.Time) (wait time.Duration) {
	from := networkOf(ip)
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := at.Truncate(time.Minute); s.visits == nil || !now.Equal(s.minute) {
		s.minute, s.visits = now, map[netip.Prefix]int{}
	}
	if _, known := s.visits[from]; !known && len(s.visits) >= anonymousAddresses {
		from = netip.Prefix{}
	}
	if s.visits[from] >= anonymousPerMinute {
		return s.minute.Add(time.Minute).Sub(at)
	}
	s.visits[from]++
	return 0
}

// limitAnonymousRate limits the rate of requests without a credential.
func (e *edge) limitAnonymousRate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if wait := e.anonymous.visit(c.RealIP(), time.Now()); wait > 0 {
			return &chatbox.Error{
				Code: chatbox.RateLimited, Message: "too many requests from this address", RetryAfter: wait, Refusal: chatbox.RefusedAddressRate,
			}
		}
		return next(c)
	}
}

// leaveKey is the context key of the leave function, which known calls.
const leaveKey = "leave"

// limitAnonymous limits the running requests of one address that have shown no credential.
// The door counts connections, but behind a proxy only requests tell clients
// apart. The limit does not apply to trusted proxies and this machine.
func (e *edge) limitAnonymous(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		ip := c.RealIP()
		a, err := netip.ParseAddr(ip)
		if e.cfg.Unknown <= 0 || err != nil || a.IsLoopback() || contains(e.cfg.TrustedProxies, a) {
			return next(c)
		}
		leave, ok := e.anonymous.enter(ip, e.cfg.Unknown)
		if !ok {
			return retryLater(chatbox.RateLimited, "too many requests from this address", time.Second)
		}
		defer leave()
		c.Set(leaveKey, leave)
		return next(c)
	}
}

// known marks the request as authenticated, which releases it from the limits on
// anonymous requests.
func known(c echo.Context) {
	door.Known(c.Request().Context())
	if leave, ok := c.Get(leaveKey).(func()); ok {
		leave()
	}
}
