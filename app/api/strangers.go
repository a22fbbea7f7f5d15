package api

import (
	"net/netip"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"chatbox"
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
}

// visit counts one and says how long to wait where it is one too many.
func (s *strangers) visit(ip string, at time.Time) (wait time.Duration) {
	from := netip.Prefix{} // what is no address
	if a, err := netip.ParseAddr(ip); err == nil {
		bits := 32
		if a.Is6() {
			bits = 64 // a household has so many of them
		}
		from, _ = a.WithZone("").Prefix(bits)
	}
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
			return retryLater(chatbox.RateLimited, "too many requests from this address", wait)
		}
		return next(c)
	}
}
