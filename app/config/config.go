// Package config reads a pod's settings from environment variables and from a
// file. The environment overrides the file. Load reports all faults at once. One
// table of variables is the source of loading, the help text, the printed
// configuration and docs/operations/config.md.
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
	"chatbox/helpdesk"
	"chatbox/persistence"
	"chatbox/providers/llm"
	"chatbox/providers/notify"
)

// Values of Config.Env.
const (
	Production  = "production"
	Development = "development"
)

// Config is the complete configuration of a pod. Load returns it. Fields that
// hold secrets print a placeholder instead of the secret.
type Config struct {
	Env    string // Production or Development
	Pod    chatbox.PodID
	HTTP   HTTP
	JWT    JWT
	Keys   []persistence.Key // the first key encrypts
	Redis  Redis
	Mongo  Mongo
	LLM    llm.Config
	Prompt Prompt
	Limits Limits
	Drain  Drain
	Admin  Admin
	// SearchIndex says that staff can search the words of messages.
	SearchIndex bool
	// DeletionCost says that the pod tells Kubernetes its load.
	DeletionCost bool
	Files        Files
	Voice        Voice
	Notify       notify.Config
	Log          Log

	Support helpdesk.Settings // for tenants without settings of their own

	// Warnings describe settings that are valid but probably mistakes. Each warning
	// names its variable.
	Warnings []string

	notifySecrets notifySecrets
}

// HTTP holds the pod's listener, its URL prefix and the clients it accepts.
type HTTP struct {
	Listen          string
	Prefix          string // "" or "/name"
	Origins         api.Origins
	CORS            api.Origins
	TrustedProxies  []netip.Prefix
	MetricsNetworks []netip.Prefix
	Metrics         string // address of the private listener; empty: there is none
	QueryToken      bool
}

// JWT says which tokens are accepted.
type JWT struct {
	Secret        llm.Secret
	JWKS          string   // URL of the issuer's public keys; empty: there is no issuer
	Algorithms    []string // by default all algorithms of the configured keys
	Issuer        string
	Audience      string
	RequireExpiry bool
	MaxLife       time.Duration // how long Redis stores the record that an admin disconnected a user
}

// Mongo is the address of the history's database.
type Mongo struct {
	URI      llm.Secret // may contain a password
	Database string
}

// History returns the settings of the history, without measurements.
func (c Config) History() persistence.Config {
	return persistence.Config{URI: c.Mongo.URI.Reveal(), Database: c.Mongo.Database, NoWords: !c.SearchIndex}
}

// Prompt holds the texts that surround a conversation with a model, and the limit
// of an answer.
type Prompt struct {
	System     string
	Disclosure string // users see it before the first answer of a session
	AnswerMax  int    // bytes of one answer
}

// Limits bounds the load that clients may cause.
type Limits struct {
	Frame              int64 // bytes of one frame
	RatePerMinute      int   // durable frames of one user, over all pods
	HelpPerMinute      int   // requests for help of one user, over all pods
	RESTPerMinute      int   // REST requests of one user, over all pods
	AdminPerMinute     int   // REST requests of one member of staff, over all pods
	Connections        int   // sockets of this pod
	Unknown            int   // connections of this pod that have not authenticated
	UnknownPerAddress  int   // the same for one client address
	ConnectionsPerUser int   // sockets of one user, over all pods
	ShedAbove          int   // a pod with fewer sockets sends none to other pods; 0: no pod sends any
}

// Admin holds the settings for staff.
type Admin struct {
	Grace       time.Duration // how long an admin without sockets holds a session
	AskRating   bool          // ask users to rate a finished conversation with a person
	WatchNotice bool          // tell users that staff watches their session
}

// Log is the level and the format of the pod's log.
type Log struct {
	Level  slog.Level
	Format string // "json" or "text"
}

// Load reads the configuration from the environment and, if file is not empty,
// from that file. The environment wins. The returned error joins all faults. Each
// fault is one line that names the variable and contains no secret.
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
	faults = append(faults, c.checkVoice(given)...)
	faults = append(faults, c.checkRedis(given)...)
	faults = append(faults, c.checkTimes(given)...)
	faults = append(faults, c.checkFiles()...)
	c.Warnings = append(c.Warnings, c.doubts(given)...)
	return c, errors.Join(faults...)
}

// Listener reads only the settings of the listener. It returns an error if one of
// them is invalid or the file cannot be read.
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

// check returns the faults that involve several variables, and sets the defaults
// that depend on other variables.
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
		faults = append(faults, fault(jwksVariable, "must be https: otherwise an attacker in the network could replace the keys and sign tokens of any user"))
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

// secretAlgorithms lists the algorithms that use JWT_SECRET.
func secretAlgorithms() []string { return []string{"HS256", "HS384", "HS512"} }

func issuerAlgorithms() []string {
	return []string{"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// checkTokens checks that every algorithm has a key and every key an algorithm.
// If no algorithms are listed, it allows all algorithms of the configured keys.
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

// loadKeys reads the keys of the history from ENCRYPTION_KEY and ENCRYPTION_KEYS.
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

// fault returns an error that names the variable.
func fault(name, why string) error { return fmt.Errorf("%s: %s", name, why) }

// flatten splits joined errors into a list. It does not unwrap the errors in the
// list.
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

// values holds the settings that were given, by variable. An empty value counts
// as not given.
type values struct {
	set  map[string]string
	from map[string]string // origin of the value

	fileRead   bool     // true also if no file was named
	passedOver []string // unknown variables of the environment that the operator allowed
}

func (g *values) get(name string) string { return g.set[name] }

func (g *values) has(name string) bool { return g.set[name] != "" }

// apply sets one variable to its value or its default, and returns its faults.
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

// names returns the sorted names of all given variables with the prefix.
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
