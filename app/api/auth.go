package api

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chatbox"
)

// leeway is how far the clocks of those who issue tokens and of pods may be
// apart.
const leeway = 60 * time.Second

// maxToken is how long a credential may be, in bytes.
const maxToken = 16 << 10

// Names of WebSocket subprotocols (PROTOCOL 1.1).
const (
	subprotocol       = "chatbox.v1"
	bearerSubprotocol = "bearer."
)

// AuthConfig says which tokens are accepted.
type AuthConfig struct {
	Secret     []byte   // of HS256, HS384 and HS512
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
}

// NewAuth makes an Auth.
func NewAuth(cfg AuthConfig) *Auth {
	algorithms := cfg.Algorithms
	if len(algorithms) == 0 {
		algorithms = []string{"HS256", "HS384", "HS512"}
	}
	opts := []jwt.ParserOption{jwt.WithValidMethods(algorithms), jwt.WithLeeway(leeway)}
	if !cfg.NoExpiry {
		opts = append(opts, jwt.WithExpirationRequired())
	}
	if cfg.Issuer != "" {
		opts = append(opts, jwt.WithIssuer(cfg.Issuer))
	}
	if cfg.Audience != "" {
		opts = append(opts, jwt.WithAudience(cfg.Audience))
	}
	return &Auth{parser: jwt.NewParser(opts...), secret: cfg.Secret}
}

// claims are those of PROTOCOL 1.1.
type claims struct {
	jwt.RegisteredClaims

	UserID string   `json:"user_id"`
	Name   string   `json:"name"`
	Roles  []string `json:"roles"`
	Tenant string   `json:"tenant"`
}

// Actor verifies a token: chatbox.TokenExpired where nothing but its age is
// wrong, else chatbox.Unauthenticated.
func (a *Auth) Actor(token string) (chatbox.Actor, error) {
	if token == "" || len(token) > maxToken {
		return chatbox.Actor{}, invalidToken()
	}
	var c claims
	if _, err := a.parser.ParseWithClaims(token, &c, a.key); err != nil {
		if onlyExpired(err) {
			return chatbox.Actor{}, chatbox.Errorf(chatbox.TokenExpired, "the token has expired", nil)
		}
		return chatbox.Actor{}, invalidToken() // the cause may quote the token
	}
	actor := chatbox.Actor{Tenant: c.Tenant, UserID: c.UserID, Name: c.Name, Roles: c.Roles}
	if actor.UserID == "" {
		actor.UserID = c.Subject
	}
	if !chatbox.ValidUserID(actor.UserID) {
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

// key hands the secret to HMAC alone, so that no other kind of key can be
// passed off as one, and refuses extensions nobody here understands.
func (a *Auth) key(t *jwt.Token) (any, error) {
	if _, critical := t.Header["crit"]; critical {
		return nil, jwt.ErrTokenUnverifiable
	}
	if _, ok := t.Method.(*jwt.SigningMethodHMAC); !ok || len(a.secret) == 0 {
		return nil, jwt.ErrTokenUnverifiable
	}
	return a.secret, nil
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
	return chatbox.Errorf(chatbox.Unauthenticated, "the credential is missing or invalid", nil)
}

// bearer returns the token of the Authorization header, if it is one.
func bearer(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return strings.TrimSpace(token), true
}
