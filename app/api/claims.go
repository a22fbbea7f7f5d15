package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// claims are the claims of a token that are used; docs/protocol/contract.md lists
// them.
type claims struct {
	jwt.RegisteredClaims

	UserID string
	Name   string
	Roles  []string
	Tenant string
}

var errClaims = errors.New("the claims are malformed")

// UnmarshalJSON parses claims by their exact names, whereas encoding/json would
// ignore case: Roles is not roles. A name repeated anywhere in the payload, or
// text that is not valid Unicode, is an error. null means absent.
func (c *claims) UnmarshalJSON(b []byte) error {
	if !namesAreUnique(b) {
		return errClaims
	}
	return eachMember(b, "claims", func(name string, raw json.RawMessage, _ map[string]bool) error {
		if isNull(raw) {
			return nil
		}
		return c.set(name, raw)
	})
}

func (c *claims) set(name string, raw json.RawMessage) (err error) {
	switch name {
	case "user_id":
		c.UserID, err = text(name, raw)
	case "sub":
		c.Subject, err = text(name, raw)
	case "name":
		c.Name, err = text(name, raw)
	case "tenant":
		c.Tenant, err = text(name, raw)
	case "iss":
		c.Issuer, err = text(name, raw)
	case "roles":
		c.Roles, err = texts(name, raw)
	case "aud":
		c.Audience, err = audience(name, raw)
	case "exp":
		c.ExpiresAt, err = date(raw)
	case "nbf":
		c.NotBefore, err = date(raw)
	case "iat":
		c.IssuedAt, err = date(raw)
	}
	return err
}

// audience parses a string or an array of strings.
func audience(name string, raw json.RawMessage) (jwt.ClaimStrings, error) {
	if raw[0] == '[' {
		return texts(name, raw)
	}
	s, err := text(name, raw)
	return jwt.ClaimStrings{s}, err
}

// Bounds of dates in claims, in seconds since 1970.
const (
	maxDate  = 1 << 53         // beyond it numbers in JSON are not exact
	lastDate = 253_402_300_799 // the end of the year 9999, which is the last that RFC 3339 can write
)

// date reads a time. Issuers write dates far away, or in milliseconds, for a
// token that does not end: what cannot be written any more becomes the last, or
// the first, that can.
func date(raw json.RawMessage) (*jwt.NumericDate, error) {
	var n json.Number
	if err := json.Unmarshal(raw, &n); err != nil {
		return nil, errClaims
	}
	seconds, err := n.Float64()
	if err != nil || math.Abs(seconds) > maxDate {
		return nil, errClaims
	}
	whole, part := math.Modf(min(max(seconds, 0), lastDate))
	return jwt.NewNumericDate(time.Unix(int64(whole), int64(part*1e9))), nil
}

// headerIsPlain reports whether a token's header has no repeated name. Two
// readers could use different values of a repeated one.
func headerIsPlain(encoded string) bool {
	b, err := base64.RawURLEncoding.DecodeString(encoded)
	return err == nil && namesAreUnique(b)
}

// namesAreUnique reports whether no object in the JSON value b, at any depth, has
// a repeated name. It returns true for anything that is not JSON.
func namesAreUnique(b []byte) bool {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var open []map[string]bool // names in the enclosing objects; nil for an array
	name := false              // the next token is a name
	for {
		t, err := dec.Token()
		if err != nil {
			return true
		}
		switch d := t.(type) {
		case json.Delim:
			switch d {
			case '{':
				open = append(open, map[string]bool{})
			case '[':
				open = append(open, nil)
			default:
				open = open[:len(open)-1]
			}
			name = len(open) > 0 && open[len(open)-1] != nil
			continue
		case string:
			if name {
				seen := open[len(open)-1]
				if seen[d] {
					return false
				}
				seen[d], name = true, false
				continue
			}
		}
		name = len(open) > 0 && open[len(open)-1] != nil
	}
}
