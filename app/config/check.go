package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// checkTimes returns the faults of durations that contradict one another. A
// duration that the operator set is never changed; a default is shortened to fit.
func (c *Config) checkTimes(g *values) []error {
	var faults []error
	if c.LLM.IdleTimeout > c.LLM.StreamTimeout {
		if g.has("LLM_IDLE_TIMEOUT") {
			faults = append(faults, fault("LLM_IDLE_TIMEOUT",
				fmt.Sprintf("is %s, longer than the whole answer may take: LLM_STREAM_TIMEOUT is %s", span(c.LLM.IdleTimeout), span(c.LLM.StreamTimeout))))
		}
		c.LLM.IdleTimeout = c.LLM.StreamTimeout
	}
	return append(faults, c.checkDrain(g)...)
}

func (c *Config) checkDrain(g *values) []error {
	d := &c.Drain
	finish, window := g.has("DRAIN_FINISH"), g.has("DRAIN_WINDOW")
	if d.Shutdown <= 0 {
		return nil // checkNames has reported the variable already
	}
	var given time.Duration
	if finish {
		given += d.Finish
	}
	if window {
		given += d.Window
	}
	if given > d.Shutdown {
		name := "DRAIN_WINDOW"
		if !window {
			name = "DRAIN_FINISH"
		}
		return []error{fault(name, fmt.Sprintf("does not fit: DRAIN_FINISH (%s) and DRAIN_WINDOW (%s) together must be below SHUTDOWN_TIMEOUT (%s)",
			span(d.Finish), span(d.Window), span(d.Shutdown)))}
	}
	room := max(0, d.room()-given)
	switch {
	case finish && !window:
		d.Window = min(d.Window, room)
	case window && !finish:
		d.Finish = min(d.Finish, room)
	}
	return nil
}

// doubts returns warnings about settings that are valid but probably mistakes.
func (c *Config) doubts(g *values) []string {
	warnings := g.passed()
	for _, list := range []struct {
		name, means string
		networks    []netip.Prefix
	}{
		{"TRUSTED_PROXIES", "any client may claim any address, so limits by address have no effect", c.HTTP.TrustedProxies},
		{"METRICS_ALLOWED_NETWORKS", "anybody may read the metrics", c.HTTP.MetricsNetworks},
	} {
		for _, p := range list.networks {
			if isEverybody(p) {
				warnings = append(warnings, fmt.Sprintf("%s has %s: %s", list.name, p, list.means))
			}
		}
	}
	if port := g.get("SERVER_PORT"); port != "" && g.has("LISTEN_ADDR") && !strings.HasSuffix(c.HTTP.Listen, ":"+port) {
		warnings = append(warnings, fmt.Sprintf("SERVER_PORT is set and has no effect: LISTEN_ADDR is set too, to %s", c.HTTP.Listen))
	}
	if f := c.LLM.Fallback; f != "" && len(c.LLM.Providers) == 1 && c.LLM.Providers[0].ID == f {
		warnings = append(warnings, "LLM_FALLBACK names the only model: there is no fallback if it fails")
	}
	if secret := g.get(jwtSecretVariable); secret != "" && strings.Contains(g.get(keyVariable)+","+g.get(keysVariable), secret) {
		warnings = append(warnings, jwtSecretVariable+" is also in "+keyVariable+" or "+keysVariable+": anyone who can sign tokens could read the history; use different secrets")
	}
	for _, o := range slices.Concat(c.HTTP.Origins.List, c.HTTP.CORS.List) {
		if scheme, _, _ := strings.Cut(o, "://"); scheme != "http" && scheme != "https" {
			warnings = append(warnings, fmt.Sprintf("WS_ALLOWED_ORIGINS or CORS_ALLOWED_ORIGINS has %q: no web page has such an origin; only an application may have it", o))
		}
	}
	if d := c.Drain; d.Finish+d.Window > d.room() && (g.has("DRAIN_FINISH") || g.has("DRAIN_WINDOW")) {
		fits := d.Fit()
		warnings = append(warnings, fmt.Sprintf("DRAIN_FINISH and DRAIN_WINDOW leave too little of SHUTDOWN_TIMEOUT (%s) for the last step: they are cut to %s and %s",
			span(d.Shutdown), span(fits.Finish.Round(time.Millisecond)), span(fits.Window.Round(time.Millisecond))))
	}
	if l := c.Limits; g.has("SHED_ABOVE") && l.ShedAbove >= l.Connections {
		warnings = append(warnings, fmt.Sprintf("SHED_ABOVE (%d) is not below MAX_CONNECTIONS (%d): no socket is sent to another pod", l.ShedAbove, l.Connections))
	}
	return warnings
}

// isEverybody reports whether a network is wider than every private network. The
// widest private networks are 10.0.0.0/8 and fc00::/7.
func isEverybody(p netip.Prefix) bool {
	if p.Addr().Is4In6() {
		return p.Bits() < 96+8
	}
	if p.Addr().Is4() {
		return p.Bits() < 8
	}
	return p.Bits() < 7
}
