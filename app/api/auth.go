package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chatbox"
)

// Leeway is how far the clocks of those who issue tokens and of pods may be
// apart.
const Leeway = 60 * time.Second

// maxToken is how long a credential may be, in bytes.
const maxToken = 16 << 10

// Names of WebSocket subprotocols.
const (
	subprotocol       = "chatbox.v1"
	bearerSubprotocol = "bearer."
)

// AuthConfig says which tokens are accepted.
type AuthConfig struct {
	Secret     []byte   // of HS256, HS384 and HS512
	Keys       *KeySet  // of the issuer, for RS, ES and EdDSA; nil: none
	Algorithms []string // pinned; empty: HS256, HS384, HS512
	Issuer     string   // required of tokens when set
	Audience   string   // the same
	NoExpiry   bool     // tokens without exp are accepted
}

// Auth turns credentials into actors. No error of it holds a part of a
// credential.
type Auth struct {
	parser *jwt.Parser
	secret []byte
	keys   *KeySet
}

// NewAuth makes an Auth.
func NewAuth(cfg AuthConfig) *Auth {
	algorithms := cfg.Algorithms
	if len(algorithms) == 0 {
		algorithms = []string{"HS256", "HS384", "HS512"}
	}
	opts := []jwt.ParserOption{jwt.WithValidMethods(algorithms), jwt.WithLeeway(Leeway)}
	if !cfg.NoExpiry {
		opts = append(opts, jwt.WithExpirationRequired())
	}
	if cfg.Issuer != "" {
		opts = append(opts, jwt.WithIssuer(cfg.Issuer))
	}
	if cfg.Audience != "" {
		opts = append(opts, jwt.WithAudience(cfg.Audience))
	}
	return &Auth{parser: jwt.NewParser(opts...), secret: cfg.Secret, keys: cfg.Keys}
}

// Run keeps the issuer's keys fresh until ctx ends; without an issuer there is
// nothing to do.
func (a *Auth) Run(ctx context.Context) {
	if a.keys != nil {
		a.keys.Run(ctx)
	}
}

// Actor verifies a token: chatbox.TokenExpired where nothing but its age is
// wrong, chatbox.Unavailable where the issuer's key is not at hand and cannot be
// had now, else chatbox.Unauthenticated.
func (a *Auth) Actor(ctx context.Context, token string) (chatbox.Actor, error) {
	if token == "" || len(token) > maxToken {
		return chatbox.Actor{}, invalidToken()
	}
	if header, _, _ := strings.Cut(token, "."); !headerIsPlain(header) {
		return chatbox.Actor{}, invalidToken()
	}
	var c claims
	key := func(t *jwt.Token) (any, error) { return a.key(ctx, t) }
	if _, err := a.parser.ParseWithClaims(token, &c, key); err != nil {
		if away, ok := errors.AsType[*chatbox.Error](err); ok && away.Code == chatbox.Unavailable {
			return chatbox.Actor{}, away
		}
		if onlyExpired(err) {
			return chatbox.Actor{}, chatbox.NewError(chatbox.TokenExpired, "the token has expired", nil)
		}
		return chatbox.Actor{}, invalidToken() // the cause may quote the token
	}
	actor := chatbox.Actor{Tenant: c.Tenant, UserID: c.UserID, Name: c.Name, Roles: c.Roles}
	if actor.UserID == "" {
		actor.UserID = c.Subject
	}
	if !chatbox.ValidUserID(actor.UserID) || !chatbox.ValidTenant(actor.Tenant) {
		return chatbox.Actor{}, invalidToken()
	}
	if c.IssuedAt != nil {
		actor.IssuedAt = c.IssuedAt.Time
	}
	if c.ExpiresAt != nil {
		actor.ExpiresAt = c.ExpiresAt.Time
	}
	return actor, nil
}

// key finds what verifies a token by the family of its algorithm, which the
// parser has compared with those that are pinned: the secret is for HMAC alone
// and the issuer's keys are for signatures alone, so that neither can be passed
// off as the other. Of the header only alg and kid are heard; a key, or the
// address of one, that a token brings along is not. Extensions that nobody here
// understands are refused.
func (a *Auth) key(ctx context.Context, t *jwt.Token) (any, error) {
	if _, critical := t.Header["crit"]; critical {
		return nil, jwt.ErrTokenUnverifiable
	}
	switch t.Method.(type) {
	case *jwt.SigningMethodHMAC:
		if len(a.secret) > 0 {
			return a.secret, nil
		}
	case *jwt.SigningMethodRSA, *jwt.SigningMethodECDSA, *jwt.SigningMethodEd25519:
		kid, isText := t.Header["kid"].(string)
		if _, given := t.Header["kid"]; a.keys != nil && (isText || !given) {
			return a.keys.find(ctx, kid, t.Method.Alg())
		}
	}
	return nil, jwt.ErrTokenUnverifiable
}

func onlyExpired(err error) bool {
	others := []error{
		jwt.ErrTokenMalformed, jwt.ErrTokenUnverifiable, jwt.ErrTokenSignatureInvalid, jwt.ErrTokenNotValidYet,
		jwt.ErrTokenInvalidIssuer, jwt.ErrTokenInvalidAudience, jwt.ErrTokenRequiredClaimMissing,
	}
	return errors.Is(err, jwt.ErrTokenExpired) &&
		!slices.ContainsFunc(others, func(o error) bool { return errors.Is(err, o) })
}

func invalidToken() error {
	return chatbox.NewError(chatbox.Unauthenticated, "the credential is missing or invalid", nil)
}

// bearer returns the token of the Authorization header, if it is one.
func bearer(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return strings.TrimSpace(token), true
}
