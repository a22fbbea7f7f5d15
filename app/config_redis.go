package app

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"

	"chatbox/providers/llm"
)

// Kinds of Redis a pod can be told of.
const (
	RedisSingle   = "single"
	RedisSentinel = "sentinel"
	RedisCluster  = "cluster"
)

// RedisConfig is where Redis is. URL is as it was given, for a single server;
// the rest is what it says.
type RedisConfig struct {
	URL      llm.Secret
	Kind     string
	Addrs    []string // host:port
	Master   string   // of RedisSentinel
	User     string
	Password llm.Secret
	DB       int
	TLS      bool
}

// redisTarget reads a URL whose host may be a list, which package net/url does
// not take.
func redisTarget(into *RedisConfig) func(string) error {
	return func(s string) error {
		scheme, rest, _ := strings.Cut(s, "://")
		c := RedisConfig{URL: llm.NewSecret(s), Kind: RedisSingle}
		defaultPort := "6379"
		switch scheme {
		case "redis":
		case "rediss":
			c.TLS = true
		case "redis+sentinel":
			c.Kind, defaultPort = RedisSentinel, "26379"
		case "redis+cluster":
			c.Kind = RedisCluster
		default:
			return errors.New("must begin with redis://, rediss://, redis+sentinel:// or redis+cluster://")
		}
		rest, _, _ = strings.Cut(rest, "?")
		hosts, path, _ := strings.Cut(rest, "/")
		if err := c.credentials(&hosts); err != nil {
			return err
		}
		if err := c.hosts(hosts, defaultPort); err != nil {
			return err
		}
		if err := c.path(path); err != nil {
			return err
		}
		*into = c
		return nil
	}
}

func (c *RedisConfig) credentials(hosts *string) error {
	at := strings.LastIndexByte(*hosts, '@')
	if at < 0 {
		return nil
	}
	user, password, _ := strings.Cut((*hosts)[:at], ":")
	*hosts = (*hosts)[at+1:]
	u, uerr := url.PathUnescape(user)
	p, perr := url.PathUnescape(password)
	if uerr != nil || perr != nil {
		return errors.New("has a user or a password that is not escaped")
	}
	c.User, c.Password = u, llm.NewSecret(p)
	return nil
}

func (c *RedisConfig) hosts(hosts, defaultPort string) error {
	for _, h := range list(hosts) {
		host, p, err := net.SplitHostPort(h)
		if err != nil {
			host, p = strings.Trim(h, "[]"), defaultPort
		}
		if host == "" || !isPort(p) || strings.ContainsAny(host, " /@") {
			return errors.New("has a host that is not host[:port]")
		}
		c.Addrs = append(c.Addrs, net.JoinHostPort(host, p))
	}
	if len(c.Addrs) == 0 {
		return errors.New("names no host")
	}
	if c.Kind == RedisSingle && len(c.Addrs) > 1 {
		return errors.New("names several hosts, which takes redis+sentinel:// or redis+cluster://")
	}
	return nil
}

// path is /db, of sentinels /master or /master/db.
func (c *RedisConfig) path(path string) error {
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
	n, err := strconv.Atoi(db)
	if err != nil || n < 0 || c.Kind == RedisCluster && n != 0 {
		return errors.New("has a path that is no number of a database")
	}
	c.DB = n
	return nil
}
