// Package config reads what an operator tells a pod: environment variables, and a
// file that the environment overrides. Load reports every fault at once. The
// table of variables is the only one: help, the printed configuration and
// docs/operations/config.md are made from it.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"chatbox"
	"chatbox/app/api"
	"chatbox/persistence"
	"chatbox/providers/llm"
	"chatbox/providers/notify"
)

// Environments a pod may run in.
const (
	Production  = "production"
	Development = "development"
)

// Config is everything an operator can tell a pod. Load makes it; whatever
// holds a secret shows none when printed.
type Config struct {
	Env    string // Production or Development
	Pod    chatbox.PodID
	HTTP   HTTP
	JWT    JWT
	Keys   []persistence.Key // the first one seals
	Redis  Redis
	Mongo  Mongo
	LLM    llm.Config
	Prompt Prompt
	Limits Limits
	Drain  Drain
	Admin  Admin
	// SearchIndex: words of messages can be found by staff.
	SearchIndex bool
	Notify      notify.Config
	Log         Log

	Support chatbox.SupportSettings // of tenants without their own

	// Warnings are what looks like a mistake and is none for certain; each names
	// its variable.
	Warnings []string

	notifySecrets notifySecrets
}

// HTTP is where and to whom the pod speaks.
type HTTP struct {
	Listen          string
	Prefix          string // "" or "/name"
	Origins         api.Origins
	CORS            api.Origins
	TrustedProxies  []netip.Prefix
	MetricsNetworks []netip.Prefix
	QueryToken      bool
}

// JWT says which tokens are accepted.
type JWT struct {
	Secret        llm.Secret
	JWKS          string   // where an issuer's public keys are; empty: nowhere
	Algorithms    []string // of what is configured
	Issuer        string
	Audience      string
	RequireExpiry bool
	MaxLife       time.Duration // no token lives longer: withdrawals are remembered so long
}

// Mongo is where the history is.
type Mongo struct {
	URI      llm.Secret // may hold a password
	Database string
}

// Prompt shapes what models are asked and how much they may say.
type Prompt struct {
	System    string
	AnswerMax int // bytes of one answer
}

// Limits bounds what clients may do.
type Limits struct {
	Frame              int64 // bytes of one frame
	RatePerMinute      int   // durable frames of one user, over all pods
	HelpPerMinute      int   // requests for help of one user, over all pods
	RESTPerMinute      int   // REST requests of one user, over all pods
	AdminPerMinute     int   // of one admin
	Connections        int   // sockets of this pod
	Unknown            int   // connections of this pod that have shown no credential
	UnknownPerAddress  int   // the same of one address
	ConnectionsPerUser int   // sockets of one user, over all pods
	ShedAbove          int   // sockets of this pod below which none are sent to other pods; 0: never
}

// Admin is about staff.
type Admin struct {
	Grace       time.Duration // a holder whose sockets are gone keeps a session so long
	AskRating   bool          // users are asked how a talk with a person was
	WatchNotice bool          // users are told that staff watches
}

// Log is how the pod logs.
type Log struct {
	Level  slog.Level
	Format string // "json" or "text"
}

// Load reads the configuration: a file, if one is named, and the environment,
// which wins. All faults are reported at once, each on a line of its own that
// names the variable; no fault shows a secret's value.
func Load(environ []string, file string) (Config, error) {
	given, faults := gather(environ, file)
	var c Config
	for _, v := range variables(&c) {
		faults = append(faults, given.apply(v)...)
	}
	faults = append(faults, c.loadKeys(given)...)
	faults = append(faults, c.loadProviders(given)...)
	faults = append(faults, c.check(given)...)
	faults = append(faults, c.checkNotify(given)...)
	faults = append(faults, c.checkRedis(given)...)
	faults = append(faults, c.checkTimes(given)...)
	c.Warnings = append(c.Warnings, c.doubts(given)...)
	return c, errors.Join(faults...)
}

// Listener reads where the pod listens, and nothing else.
func Listener(environ []string, file string) (HTTP, error) {
	given, faults := gather(environ, file)
	var c Config
	for _, v := range httpVariables(&c) {
		if v.name != "LISTEN_ADDR" && v.name != "CHATBOX_PATH_PREFIX" {
			continue
		}
		if f := given.apply(v); f != nil {
			return c.HTTP, errors.Join(f...)
		}
	}
	if !given.fileRead && len(faults) > 0 {
		return c.HTTP, errors.Join(faults...)
	}
	return c.HTTP, nil
}

// check finds what no variable shows by itself.
func (c *Config) check(g *values) []error {
	var faults []error
	if c.Pod == "" {
		host, err := os.Hostname()
		if err != nil || !chatbox.ValidSessionID(host) {
			faults = append(faults, fault("POD_ID", "is required: the host has no usable name"))
		}
		c.Pod = chatbox.PodID(host)
	}
	if !g.has(jwtSecretVariable) && !g.has(jwksVariable) {
		faults = append(faults, fault(jwtSecretVariable, "is required unless "+jwksVariable+" is set"))
	}
	if strings.HasPrefix(c.JWT.JWKS, "http:") && c.Env != Development && !onLoopback(c.JWT.JWKS) {
		faults = append(faults, fault(jwksVariable, "must be https: whoever stands between could sign anybody's token"))
	}
	switch {
	case len(c.HTTP.Origins.List) > 0 || g.has("WS_ALLOWED_ORIGINS"):
	case c.Env == Development:
		c.HTTP.Origins.Any = true
	default:
		faults = append(faults, fault("WS_ALLOWED_ORIGINS", "is required unless CHATBOX_ENV is development"))
	}
	return append(faults, c.checkTokens(g)...)
}

// Algorithms of tokens, by what verifies them.
func secretAlgorithms() []string { return []string{"HS256", "HS384", "HS512"} }

func issuerAlgorithms() []string {
	return []string{"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// checkTokens finds out whether every algorithm has its key and every key an
// algorithm. Without a list it is that of what is configured.
func (c *Config) checkTokens(g *values) []error {
	j, secret, issuer := &c.JWT, g.has(jwtSecretVariable), g.has(jwksVariable)
	if len(j.Algorithms) == 0 {
		if secret {
			j.Algorithms = append(j.Algorithms, secretAlgorithms()...)
		}
		if issuer {
			j.Algorithms = append(j.Algorithms, issuerAlgorithms()...)
		}
		return nil
	}
	var faults []error
	for _, family := range []struct {
		variable   string
		given      bool
		algorithms []string
	}{{jwtSecretVariable, secret, secretAlgorithms()}, {jwksVariable, issuer, issuerAlgorithms()}} {
		named := slices.ContainsFunc(j.Algorithms, func(a string) bool { return slices.Contains(family.algorithms, a) })
		switch {
		case named && !family.given:
			faults = append(faults, fault("JWT_ALGORITHMS", "names algorithms that need "+family.variable))
		case family.given && !named:
			faults = append(faults, fault("JWT_ALGORITHMS", "names no algorithm for "+family.variable))
		}
	}
	return faults
}

// loadKeys reads the keys of the history, which come in two variables.
func (c *Config) loadKeys(g *values) []error {
	single, multi := g.get(keyVariable), g.get(keysVariable)
	keys, err := persistence.ParseKeys(single, multi)
	if err != nil {
		return flatten(err)
	}
	c.Keys = keys
	var faults []error
	for _, k := range keys {
		name := keysVariable
		if k.ID == persistence.SingleKeyID && single != "" {
			name = keyVariable
		}
		if why := weakness(string(k.Secret[:])); why != "" {
			faults = append(faults, fault(name, why))
		}
	}
	return faults
}

// fault says what is wrong with a variable.
func fault(name, why string) error { return fmt.Errorf("%s: %s", name, why) }

// flatten takes joined errors apart; what they wrap deeper down stays whole.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	return slices.Collect(func(yield func(error) bool) {
		for _, e := range joined.Unwrap() {
			for _, inner := range flatten(e) {
				if !yield(inner) {
					return
				}
			}
		}
	})
}

// values are what was given, by variable; what is empty was not given.
type values struct {
	set  map[string]string
	from map[string]string // where it was given

	fileRead   bool     // or there is none
	passedOver []string // of the environment: allowed, and read by nobody
}

func (g *values) get(name string) string { return g.set[name] }

func (g *values) has(name string) bool { return g.set[name] != "" }

// apply gives one variable its value, or its default.
func (g *values) apply(v variable) []error {
	raw := g.get(v.name)
	if raw == "" && v.alias != "" && g.has(v.alias) {
		if err := v.setAlias(g.get(v.alias)); err != nil {
			return []error{fault(v.alias, err.Error())}
		}
		return nil
	}
	if raw == "" {
		raw = v.def
	}
	switch {
	case raw == "" && v.required:
		return []error{fault(v.name, "is required")}
	case raw == "":
		return nil
	}
	if err := v.set(raw); err != nil {
		return []error{fault(v.name, err.Error())}
	}
	return nil
}

// names lists what was given with the prefix.
func (g *values) names(prefix string) []string {
	var out []string
	for name, v := range g.set {
		if v != "" && strings.HasPrefix(name, prefix) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
