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

// Leeway is the allowed difference between the clocks of token issuers and pods.
const Leeway = 60 * time.Second

// maxToken is the maximum length of a credential in bytes.
const maxToken = 16 << 10

// Names of WebSocket subprotocols.
const (
	subprotocol       = "chatbox.v1"
	bearerSubprotocol = "bearer."
)

// AuthConfig configures which tokens are accepted.
type AuthConfig struct {
	Secret     []byte   // for HS256, HS384 and HS512
	Keys       *KeySet  // the issuer's, for RS, ES and EdDSA; may be nil
	Algorithms []string // the only accepted ones; empty: HS256, HS384, HS512
	Issuer     string   // if set, tokens must have it
	Audience   string   // if set, tokens must have it
	NoExpiry   bool     // tokens without exp are accepted
}

// Auth verifies credentials and returns their actors. Its errors contain no part
// of a credential.
type Auth struct {
	parser *jwt.Parser
	secret []byte
	keys   *KeySet
}

// NewAuth returns an Auth.
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

// Run refreshes the issuer's keys until ctx ends. Without an issuer it returns at
// once.
func (a *Auth) Run(ctx context.Context) {
	if a.keys != nil {
		a.keys.Run(ctx)
	}
}

// Actor verifies a token. It returns chatbox.TokenExpired if the token is valid
// except for its age, chatbox.Unavailable if the issuer's key is missing and
// cannot be fetched now, and chatbox.Unauthenticated otherwise.
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

// key returns the key that verifies a token. The family of the token's algorithm
// decides: the secret verifies HMAC only, and the issuer's keys verify signatures
// only, so neither can be used as the other. The parser has checked the algorithm
// against the accepted ones. Only alg and kid of the header are used; a key or a
// key's address in the token is ignored. Tokens with critical extensions are
// refused, because none are supported.
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

// bearer returns the bearer token of the Authorization header, if there is one.
func bearer(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return strings.TrimSpace(token), true
}
