package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chatbox/cmd/chatload/client"
)

// tokenLife is the lifetime of a minted token, longer than any load.
const tokenLife = 24 * time.Hour

// mint signs a token for a user.
func (o *options) mint(user string, roles ...string) (string, error) {
	claims := jwt.MapClaims{"user_id": user, "name": "Load " + user, "exp": time.Now().Add(tokenLife).Unix()}
	if o.tenant != "" {
		claims["tenant"] = o.tenant
	}
	if len(roles) > 0 {
		claims["roles"] = roles
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(o.secret))
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return token, nil
}

// person is one user of the load.
type person struct {
	id    string
	token string
	rest  *client.REST
}

func (l *load) person(n int) (*person, error) {
	p := &person{id: fmt.Sprintf("%s-%d", l.prefix, n)}
	var err error
	p.token, err = l.mint(p.id)
	p.rest = &client.REST{URLs: l.urls, Prefix: l.options.prefix, HTTP: l.http, Token: p.bearer}
	return p, err
}

func (p *person) bearer(context.Context) (string, error) { return p.token, nil }

// credential returns the credential that a device of the person presents at each
// dial.
func (p *person) credential(auth client.Auth) func(context.Context) (string, error) {
	if auth == client.AuthTicket {
		return p.rest.Ticket
	}
	return p.bearer
}

// newHTTP returns the client all REST requests share.
func newHTTP() *http.Client {
	return &http.Client{
		Timeout:   20 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second},
	}
}
