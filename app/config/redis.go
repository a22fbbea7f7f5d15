package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"chatbox/internal/outage"
	"chatbox/providers/llm"
	"chatbox/redisstate"
)

// Kinds of Redis deployments.
const (
	RedisSingle   = "single"
	RedisSentinel = "sentinel"
	RedisCluster  = "cluster"
)

// The variables that configure Redis.
const (
	redisURLVariable      = "REDIS_URL"
	redisCAVariable       = "REDIS_CA_FILE"
	redisCertVariable     = "REDIS_CERT_FILE"
	redisKeyVariable      = "REDIS_KEY_FILE"
	redisNameVariable     = "REDIS_SERVER_NAME"
	sentinelUserVariable  = "REDIS_SENTINEL_USER"
	sentinelPasswVariable = "REDIS_SENTINEL_PASSWORD"
)

const maxRedisPool = 4096

// Redis is the address of Redis and the pod's credentials. URL is the setting as
// given. The other fields are derived from URL and from the REDIS_… variables.
type Redis struct {
	URL      llm.Secret
	Kind     string
	Addrs    []string // host:port
	Master   string   // name of the master, for RedisSentinel
	User     string
	Password llm.Secret
	DB       int
	TLS      bool
	PoolSize int // 0: the default
	Protocol int // 2 or 3; 0: the default

	SentinelUser     string
	SentinelPassword llm.Secret

	CAFile     string // PEM; empty: the system's authorities
	CertFile   string // the client's own certificate, with KeyFile
	KeyFile    string
	ServerName string // required name in the server's certificate; empty: the host that was dialled

	connectTLS func() (*tls.Config, error) // set by checkRedis if TLS is on; reads the files again at each call
}

func redisVariables(c *Config) []variable {
	r := &c.Redis
	return []variable{
		{
			name: redisURLVariable, required: true, secret: true, set: redisTarget(r),
			doc: "Address of Redis: redis://[user:password@]host[:port][/db], redis+sentinel://host,host/master[/db] or redis+cluster://host,host; rediss instead of redis for TLS. " +
				"Parameters: db, tls=on, pool_size, protocol=2 or 3, and for sentinels sentinel_user and sentinel_password. Others are refused.",
		},
		{name: sentinelUserVariable, doc: "User name at the sentinels, if they require one.", set: text(&r.SentinelUser)},
		{name: sentinelPasswVariable, secret: true, doc: "Password at the sentinels. The one in REDIS_URL is for the Redis servers.", set: secret(&r.SentinelPassword)},
		{name: redisCAVariable, doc: "PEM file of the authorities that may sign Redis' certificate. Default: the system's authorities. Read again for each connection.", set: text(&r.CAFile)},
		{name: redisCertVariable, doc: "PEM file of the pod's own certificate, if Redis requires one. Read again for each connection.", set: text(&r.CertFile)},
		{name: redisKeyVariable, doc: "PEM file of the key of REDIS_CERT_FILE.", set: text(&r.KeyFile)},
		{name: redisNameVariable, doc: "Host name that Redis' certificate must have. Default: the host in REDIS_URL.", set: text(&r.ServerName)},
	}
}

// redisTarget reads a URL with one or several hosts. It does not use package
// net/url, which rejects a list of hosts. An unknown part of the URL is a fault,
// since an ignored setting would only be noticed in production. No fault quotes
// text that may be a part of a password.
func redisTarget(into *Redis) func(string) error {
	return func(s string) error {
		scheme, rest, _ := strings.Cut(s, "://")
		c := *into
		c.URL, c.Addrs = llm.NewSecret(s), nil
		defaultPort, err := c.scheme(scheme)
		if err != nil {
			return err
		}
		rest, query, _ := strings.Cut(rest, "?")
		hosts, path, _ := strings.Cut(rest, "/")
		if strings.ContainsAny(query+path, "@#") || strings.Contains(hosts, "#") {
			return errors.New("has a user or a password that is not escaped: write % / ? # and @ in it as %25 %2F %3F %23 and %40")
		}
		for _, read := range []func() error{
			func() error { return c.credentials(&hosts) },
			func() error { return c.hosts(hosts, defaultPort) },
			func() error { return c.path(path) },
			func() error { return c.query(query, c.namesDatabase(path)) },
		} {
			if err := read(); err != nil {
				return err
			}
		}
		*into = c
		return nil
	}
}

func (c *Redis) scheme(scheme string) (defaultPort string, err error) {
	base, topology, _ := strings.Cut(scheme, "+")
	kinds := map[string]string{"": RedisSingle, "sentinel": RedisSentinel, "cluster": RedisCluster}
	kind, known := kinds[topology]
	if !known || base != "redis" && base != "rediss" || strings.HasSuffix(scheme, "+") {
		return "", errors.New("must begin with redis://, redis+sentinel:// or redis+cluster://, or the same with rediss for TLS")
	}
	c.Kind, c.TLS = kind, base == "rediss"
	if kind == RedisSentinel {
		return "26379", nil
	}
	return "6379", nil
}

func (c *Redis) credentials(hosts *string) error {
	at := strings.LastIndexByte(*hosts, '@')
	if at < 0 {
		return nil
	}
	user, password, _ := strings.Cut((*hosts)[:at], ":")
	*hosts = (*hosts)[at+1:]
	u, uerr := url.PathUnescape(user)
	p, perr := url.PathUnescape(password)
	switch {
	case uerr != nil || perr != nil:
		return errors.New("has a user or a password that is not escaped")
	case u != "" && p == "":
		return errors.New("has a user without a password: write user:password@, or :password@ without a user")
	}
	c.User, c.Password = u, llm.NewSecret(p)
	return nil
}

func (c *Redis) hosts(hosts, defaultPort string) error {
	for _, h := range list(hosts) {
		host, p, err := net.SplitHostPort(h)
		if err != nil {
			host, p = strings.Trim(h, "[]"), defaultPort
		}
		if host == "" || !isPort(p) || p == "0" || strings.ContainsAny(host, " /@") {
			return errors.New("has a host that is not host[:port]")
		}
		c.Addrs = append(c.Addrs, net.JoinHostPort(host, p))
	}
	if len(c.Addrs) == 0 {
		return errors.New("names no host")
	}
	if c.Kind == RedisSingle && len(c.Addrs) > 1 {
		return errors.New("names several hosts, which needs redis+sentinel:// or redis+cluster://")
	}
	return nil
}

// path reads the URL's path: /db, or for sentinels /master or /master/db.
func (c *Redis) path(path string) error {
	db := path
	if c.Kind == RedisSentinel {
		c.Master, db, _ = strings.Cut(path, "/")
		if c.Master == "" {
			return errors.New("must name the master: redis+sentinel://host,host/master")
		}
	}
	if db == "" {
		return nil
	}
	return c.database(db)
}

func (c *Redis) database(db string) error {
	n, err := strconv.Atoi(db)
	if err != nil || n < 0 {
		return errors.New("has a path that is not the number of a database")
	}
	if c.Kind == RedisCluster && n != 0 {
		return errors.New("names a database, and a Cluster has only database 0")
	}
	c.DB = n
	return nil
}

// namesDatabase reports whether the URL's path names a database.
func (c *Redis) namesDatabase(path string) bool {
	if c.Kind == RedisSentinel {
		_, path, _ = strings.Cut(path, "/")
	}
	return path != ""
}

// query reads the parameters after the question mark. dbInPath says that the path
// names a database, too.
func (c *Redis) query(query string, dbInPath bool) error {
	given, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("has parameters that are not escaped")
	}
	names := make([]string, 0, len(given))
	for name := range given {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if len(given[name]) > 1 {
			return fmt.Errorf("has the parameter %s twice", shownParameter(name))
		}
		if err := c.parameter(name, given.Get(name), dbInPath); err != nil {
			return err
		}
	}
	if a, b := given.Get("sentinel_user"), given.Get("sentinel_username"); a != "" && b != "" && a != b {
		return errors.New("has sentinel_user and sentinel_username, which are the same parameter, with two values")
	}
	return nil
}

func (c *Redis) parameter(name, v string, dbInPath bool) error {
	wrong := func(must string) error { return fmt.Errorf("has the parameter %s, which must be %s", name, must) }
	sentinel := c.Kind == RedisSentinel
	switch {
	case name == "db":
		before := c.DB
		if err := c.database(v); err != nil || dbInPath && c.DB != before {
			return wrong("the number of a database, the same as in the path where both are there; of a Cluster 0")
		}
	case name == "tls":
		var on bool
		if onOff(&on)(v) != nil || !on && c.TLS {
			return wrong("on, or off where the URL does not begin with rediss")
		}
		c.TLS = on
	case name == "pool_size":
		if number(&c.PoolSize, 1)(v) != nil || c.PoolSize > maxRedisPool {
			return wrong(fmt.Sprintf("a number of connections, from 1 to %d", maxRedisPool))
		}
	case name == "protocol":
		if number(&c.Protocol, 2)(v) != nil || c.Protocol > 3 {
			return wrong("2 or 3")
		}
	case sentinel && (name == "sentinel_user" || name == "sentinel_username"):
		c.SentinelUser = v
	case sentinel && name == "sentinel_password":
		c.SentinelPassword = llm.NewSecret(v)
	case name == "skip_verify":
		return errors.New("has the parameter skip_verify: certificates are always verified; name their authority with " + redisCAVariable + ", or the name they bear with " + redisNameVariable)
	default:
		known := "db, tls, pool_size, protocol"
		if sentinel {
			known += ", sentinel_user, sentinel_password"
		}
		return fmt.Errorf("has the parameter %s, which is not understood; these are: %s", shownParameter(name), known)
	}
	return nil
}

// shownParameter returns the name of a parameter if it cannot be a piece of a
// password.
func shownParameter(name string) string {
	if regexp.MustCompile(`^[a-z][a-z_]{1,30}$`).MatchString(name) {
		return name
	}
	return "(not shown)"
}

// checkRedis returns the faults that involve several variables, and reads the
// certificate files.
func (c *Config) checkRedis(g *values) []error {
	r := &c.Redis
	if r.Kind == "" {
		return nil // REDIS_URL has been reported already
	}
	var faults []error
	if r.Kind != RedisSentinel {
		for _, name := range []string{sentinelUserVariable, sentinelPasswVariable} {
			if g.has(name) {
				faults = append(faults, fault(name, "is for "+redisURLVariable+"s that begin with redis+sentinel:// or rediss+sentinel://"))
			}
		}
	} else {
		faults = append(faults, r.checkSentinels()...)
	}
	for _, name := range []string{redisCAVariable, redisCertVariable, redisKeyVariable, redisNameVariable} {
		if g.has(name) && !r.TLS {
			faults = append(faults, fault(name, "is for connections over TLS: "+redisURLVariable+" must begin with rediss"))
		}
	}
	if !r.TLS || len(faults) > 0 {
		return faults
	}
	return r.loadTLS()
}

// checkSentinels checks the credentials for the sentinels, which REDIS_URL or
// variables of their own may hold.
func (c *Redis) checkSentinels() []error {
	var faults []error
	var inURL Redis
	if redisTarget(&inURL)(c.URL.Reveal()) != nil {
		return nil // has been reported already
	}
	if inURL.SentinelUser != "" && c.SentinelUser != inURL.SentinelUser {
		faults = append(faults, fault(sentinelUserVariable, "contradicts sentinel_user in "+redisURLVariable+": set one of them"))
	}
	if p := inURL.SentinelPassword.Reveal(); p != "" && c.SentinelPassword.Reveal() != p {
		faults = append(faults, fault(sentinelPasswVariable, "contradicts sentinel_password in "+redisURLVariable+": set one of them"))
	}
	if c.SentinelUser != "" && c.SentinelPassword.Reveal() == "" {
		faults = append(faults, fault(sentinelUserVariable, "needs "+sentinelPasswVariable))
	}
	return faults
}

func (c *Redis) loadTLS() []error {
	switch {
	case c.CertFile == "" && c.KeyFile != "":
		return []error{fault(redisKeyVariable, "needs "+redisCertVariable)}
	case c.CertFile != "" && c.KeyFile == "":
		return []error{fault(redisCertVariable, "needs "+redisKeyVariable)}
	}
	ca, cert, key, name := c.CAFile, c.CertFile, c.KeyFile, c.ServerName
	// Operators replace certificates and authorities while the pod runs, so each
	// connection reads the files again.
	c.connectTLS = func() (*tls.Config, error) {
		conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: name}
		err := errors.Join(loadAuthorities(conf, ca), loadCertificate(conf, cert, key))
		return conf, outage.As(outage.Certificate, err)
	}
	probe := &tls.Config{MinVersion: tls.VersionTLS12}
	faults := []error{loadAuthorities(probe, ca), loadCertificate(probe, cert, key)}
	return slices.DeleteFunc(faults, func(err error) bool { return err == nil })
}

// loadAuthorities reads the file of certificate authorities. It does nothing if
// file is empty.
func loadAuthorities(conf *tls.Config, file string) error {
	if file == "" {
		return nil
	}
	pem, err := readBounded(file)
	if err != nil {
		return fault(redisCAVariable, err.Error())
	}
	conf.RootCAs = x509.NewCertPool()
	if !conf.RootCAs.AppendCertsFromPEM(pem) {
		return fault(redisCAVariable, "names a file that holds no certificate")
	}
	return nil
}

// loadCertificate reads the pod's own certificate. It does nothing if cert is
// empty.
func loadCertificate(conf *tls.Config, cert, key string) error {
	if cert == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return fault(redisCertVariable, "and "+redisKeyVariable+" cannot be used: "+err.Error())
	}
	conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	return nil
}

// Client returns r with the address and the credentials of Redis. All other
// fields of r stay unchanged.
func (c *Redis) Client(r redisstate.Config) redisstate.Config {
	r.Addrs, r.Master, r.Cluster, r.DB, r.TLS = c.Addrs, c.Master, c.Kind == RedisCluster, c.DB, c.connectTLS
	r.Username, r.Password = c.User, c.Password.Reveal()
	r.SentinelUsername, r.SentinelPassword = c.SentinelUser, c.SentinelPassword.Reveal()
	r.PoolSize, r.Protocol = c.PoolSize, c.Protocol
	return r
}
