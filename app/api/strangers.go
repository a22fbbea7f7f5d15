package api

import (
	"net/netip"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"chatbox"
	"chatbox/app/door"
)

// How often an address may come without a credential within a minute, and how
// many addresses are told apart; those beyond share one count. Addresses behind
// a proxy that is not trusted are one.
const (
	strangerVisits = 300
	strangerKnown  = 20_000
)

// strangers counts who comes without a credential, on this pod alone: it bounds
// what guessing and crowds cost, tokens being too long to guess.
type strangers struct {
	mu     sync.Mutex // guards following
	minute time.Time
	visits map[netip.Prefix]int
	under  map[netip.Prefix]int // requests under way, of whoever has shown nothing yet
}

// networkOf is what counts as one address; what is none has the zero prefix.
func networkOf(ip string) netip.Prefix {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return netip.Prefix{}
	}
	return door.Network(a)
}

// enter counts a request that has shown no credential yet, and says whether the
// address may have one more. leave takes it out again, once.
func (s *strangers) enter(ip string, most int) (leave func(), ok bool) {
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

// visit counts one and says how long to wait where it is one too many.
func (s *strangers) visit(ip string, at time.Time) (wait time.Duration) {
	from := networkOf(ip)
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := at.Truncate(time.Minute); s.visits == nil || !now.Equal(s.minute) {
		s.minute, s.visits = now, map[netip.Prefix]int{}
	}
	if _, known := s.visits[from]; !known && len(s.visits) >= strangerKnown {
		from = netip.Prefix{}
	}
	if s.visits[from] >= strangerVisits {
		return s.minute.Add(time.Minute).Sub(at)
	}
	s.visits[from]++
	return 0
}

// stranger lets those without a credential pass, not too often.
func (s *Server) stranger(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if wait := s.strangers.visit(c.RealIP(), time.Now()); wait > 0 {
			return &chatbox.Error{
				Code: chatbox.RateLimited, Message: "too many requests from this address", RetryAfter: wait, Refusal: chatbox.RefusedAddressRate,
			}
		}
		return next(c)
	}
}

// leaveKey is where crowd puts what known calls.
const leaveKey = "leave"

// crowd bounds the requests of one address that are under way without having
// shown a credential. The door counts connections; behind a proxy only requests
// tell clients apart. The proxies themselves and this machine are no crowd.
func (s *Server) crowd(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		ip := c.RealIP()
		a, err := netip.ParseAddr(ip)
		if s.cfg.Unknown <= 0 || err != nil || a.IsLoopback() || contains(s.cfg.TrustedProxies, a) {
			return next(c)
		}
		leave, ok := s.strangers.enter(ip, s.cfg.Unknown)
		if !ok {
			return retryLater(chatbox.RateLimited, "too many requests from this address", time.Second)
		}
		defer leave()
		c.Set(leaveKey, leave)
		return next(c)
	}
}

// known says that the request has shown a valid credential: nothing that bounds
// strangers bounds it any more.
func known(c echo.Context) {
	door.Known(c.Request().Context())
	if leave, ok := c.Get(leaveKey).(func()); ok {
		leave()
	}
}
