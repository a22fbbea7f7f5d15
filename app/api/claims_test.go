package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/test/fuzz"
)

// written signs a header and claims exactly as given, where a library would
// change them.
func written(header, claims string) string {
	e := base64.RawURLEncoding
	signed := e.EncodeToString([]byte(header)) + "." + e.EncodeToString([]byte(claims))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + e.EncodeToString(mac.Sum(nil))
}

const plainHeader = `{"alg":"HS256","typ":"JWT"}`

// lasting returns the claims of a token valid for an hour.
func lasting(claims string) string {
	return fmt.Sprintf(`{"exp":%d,%s}`, time.Now().Add(time.Hour).Unix(), claims)
}

func TestAuth_ClaimsAreReadByExactlyTheirNames(t *testing.T) {
	for claims, want := range map[string]chatbox.Actor{
		`"user_id":"ann","Roles":["admin"]`:                                     {UserID: "ann"},
		`"user_id":"ann","ROLES":["admin"],"roleſ":["admin"]`:                   {UserID: "ann"}, // ſ folds to s
		`"user_id":"ann","roles":["x"],"Roles":["admin"]`:                       {UserID: "ann", Roles: []string{"x"}},
		`"user_id":"ann","User_ID":"bob","USER_ID":"eve","Sub":"x"`:             {UserID: "ann"},
		`"user_id":"ann","Tenant":"north","TENANT":1,"Name":"Bob"`:              {UserID: "ann"},
		`"sub":"ann","userId":"bob","user-id":"bob","UserID":"bob"`:             {UserID: "ann"},
		`"sub":"ann","user_id":null,"tenant":null,"roles":null,"nbf":null`:      {UserID: "ann"},
		`"\u0075ser_id":"ann","r\u006fles":["x"]`:                               {UserID: "ann", Roles: []string{"x"}}, // escapes are the same name
		`"user_id":"a\u006en","name":"\ud83d\ude00 & <b>","tenant":"n/ö"`:       {UserID: "ann", Name: "😀 & <b>", Tenant: "n/ö"},
		`"user_id":"ann","extra":{"a":1,"b":[{"a":2},{"a":3}]},"other":{"a":4}`: {UserID: "ann"},
		`"user_id":"ann","Exp":1,"NBF":99999999999,"iat":1.5e9`:                 {UserID: "ann", IssuedAt: time.Unix(1_500_000_000, 0)},
	} {
		got, err := auth().Actor(t.Context(), written(plainHeader, lasting(claims)))
		require.NoError(t, err, claims)
		got.ExpiresAt = time.Time{}
		assert.Equal(t, want, got, claims)
	}
	// An exp of another name is none.
	requireUnauthenticated(t, auth(), written(plainHeader, fmt.Sprintf(`{"user_id":"ann","Exp":%d}`, time.Now().Add(time.Hour).Unix())))
}

func TestAbuse_ClaimsGivenTwice(t *testing.T) {
	for _, claims := range []string{
		`"user_id":"ann","user_id":"ann"`,
		`"user_id":"ann","roles":[],"roles":["admin"]`,
		`"user_id":"ann","r\u006fles":["admin"],"roles":[]`,
		`"user_id":"ann","tenant":"a","tenant":null`,
		`"user_id":"ann","exp":99999999999`,
		`"user_id":"ann","unknown":1,"unknown":1`,
		`"user_id":"ann","unknown":{"a":1,"a":2}`,
		`"user_id":"ann","unknown":[1,[{"b":{},"c":{"d":0,"d":0}}]]`,
		`"user_id":"ann","":1,"":2`,
	} {
		requireUnauthenticated(t, auth(), written(plainHeader, lasting(claims)))
	}
	good := lasting(`"user_id":"ann"`)
	_, err := auth().Actor(t.Context(), written(plainHeader, good))
	require.NoError(t, err)
	for _, header := range []string{
		`{"alg":"HS256","alg":"HS256"}`, `{"alg":"none","alg":"HS256"}`, `{"alg":"HS256","a\u006cg":"none"}`,
		`{"alg":"HS256","kid":"a","kid":"b"}`, `{"alg":"HS256","x":{"y":1,"y":2}}`, `{"Alg":"HS256"}`, `["HS256"]`, `{}`, ``,
	} {
		requireUnauthenticated(t, auth(), written(header, good))
	}
}

func TestAbuse_ClaimsThatAreNoText(t *testing.T) {
	for name, claims := range map[string]string{
		"half a character":           `"user_id":"a\ud800"`,
		"the other half":             `"user_id":"\udc00a"`,
		"two halves, swapped":        `"user_id":"\ude00\ud83d"`,
		"invalid UTF-8":              "\"user_id\":\"a\xff\"",
		"a surrogate in UTF-8":       "\"user_id\":\"a\xed\xa0\x80\"",
		"an overlong slash":          "\"user_id\":\"a\xc0\xaf\"",
		"sub, half a character":      `"sub":"a\ud800"`,
		"sub beside a good user":     `"user_id":"ann","sub":"\ud800"`,
		"name, half a character":     `"user_id":"ann","name":"\ud800"`,
		"name, invalid UTF-8":        "\"user_id\":\"ann\",\"name\":\"\x80\"",
		"role, half a character":     `"user_id":"ann","roles":["admin\ud800"]`,
		"role, a number":             `"user_id":"ann","roles":[1]`,
		"role, null":                 `"user_id":"ann","roles":[null]`,
		"roles, a word":              `"user_id":"ann","roles":"admin"`,
		"roles, an object":           `"user_id":"ann","roles":{"admin":true}`,
		"tenant, half a character":   `"user_id":"ann","tenant":"\udfff"`,
		"tenant, invalid UTF-8":      "\"user_id\":\"ann\",\"tenant\":\"n\xfe\"",
		"tenant, NUL":                `"user_id":"ann","tenant":"a\u0000b"`,
		"tenant, line feed":          `"user_id":"ann","tenant":"a\nb"`,
		"tenant, tab":                `"user_id":"ann","tenant":"\t"`,
		"tenant, escape":             `"user_id":"ann","tenant":"\u001b[0m"`,
		"tenant, delete":             `"user_id":"ann","tenant":"\u007f"`,
		"tenant, C1":                 `"user_id":"ann","tenant":"\u0085"`,
		"tenant, too long":           `"user_id":"ann","tenant":"` + strings.Repeat("t", 256) + `"`,
		"tenant, too long in bytes":  `"user_id":"ann","tenant":"` + strings.Repeat("ö", 128) + `"`,
		"tenant, a number":           `"user_id":"ann","tenant":7`,
		"tenant, a list":             `"user_id":"ann","tenant":["a"]`,
		"user, too long":             `"user_id":"` + strings.Repeat("u", 257) + `"`,
		"user, NUL":                  `"user_id":"a\u0000"`,
		"user, a number":             `"user_id":1`,
		"name, an object":            `"user_id":"ann","name":{}`,
		"a name of a claim, invalid": "\"user_id\":\"ann\",\"user_id\xff\":1,\"user_id\xfe\":1",
		"two objects":                `"user_id":"ann"}{"user_id":"bob"`,
		"exp, a word":                `"user_id":"ann","nbf":"soon"`,
		"exp, beyond all numbers":    `"user_id":"ann","nbf":1e999`,
		"audience, half a character": `"user_id":"ann","aud":["\ud800"]`,
		"iss, half a character":      `"user_id":"ann","iss":"\ud800"`,
	} {
		t.Run(name, func(t *testing.T) {
			requireUnauthenticated(t, auth(), written(plainHeader, lasting(claims)))
		})
	}
	longest := strings.Repeat("t", 255)
	got, err := auth().Actor(t.Context(), written(plainHeader, lasting(`"user_id":"ann","tenant":"`+longest+`"`)))
	require.NoError(t, err)
	assert.Equal(t, longest, got.Tenant)
	for _, claims := range []string{`null`, `[]`, `"ann"`, `7`, ``, `{`} {
		requireUnauthenticated(t, auth(), written(plainHeader, claims))
	}
}

// FuzzClaims: the actor of any signed token has valid names, and no other reading
// of the token gives another actor.
func FuzzClaims(f *testing.F) {
	f.Add(`{"user_id":"ann","exp":9999999999}`)
	f.Add(`{"user_id":"ann","Roles":["admin"],"roles":["x"],"exp":9999999999,"tenant":"\u0000"}`)
	f.Add(`{"sub":"\ud800","exp":9999999999,"x":{"a":1,"a":2}}`)
	a := auth()
	fuzz.Run(f, func(t fuzz.T, payload string) {
		actor, err := a.Actor(t.Context(), written(plainHeader, payload))
		if err != nil {
			return
		}
		if !chatbox.ValidUserID(actor.UserID) || !chatbox.ValidTenant(actor.Tenant) {
			t.Fatalf("%q: %+v", payload, actor)
		}
		if !namesAreUnique([]byte(payload)) {
			t.Fatalf("a name twice in %q", payload)
		}
	})
}

func TestAbuse_DatesOutOfRange(t *testing.T) {
	at := time.Now().Add(time.Hour).Unix()
	for _, dates := range []string{
		`"exp":1e300`, `"exp":1e19`, `"exp":9223372036854775807`, `"exp":-1e300`, `"exp":1e400`,
		fmt.Sprintf(`"exp":%d,"nbf":1e300`, at), fmt.Sprintf(`"exp":%d,"nbf":-1e300`, at), fmt.Sprintf(`"exp":%d,"nbf":1e19`, at),
		fmt.Sprintf(`"exp":%d,"iat":1e300`, at), fmt.Sprintf(`"exp":%d,"iat":-1e300`, at),
	} {
		requireUnauthenticated(t, auth(), written(plainHeader, `{"user_id":"ann",`+dates+`}`))
	}
}

// Issuers write "never" as a date far away, or in milliseconds.
func TestAuth_DatesFarAway(t *testing.T) {
	last := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	for exp, want := range map[string]time.Time{
		"9300000000": time.Unix(9_300_000_000, 0), "253402300799": last, "253402300800": last,
		"1900000000000": last, "9007199254740991": last, "9e15": last,
	} {
		got, err := auth().Actor(t.Context(), written(plainHeader, `{"user_id":"ann","iat":-9e15,"nbf":-1,"exp":`+exp+`}`))
		require.NoError(t, err, exp)
		assert.True(t, got.ExpiresAt.Equal(want), "%s: %s", exp, got.ExpiresAt)
		_, err = json.Marshal(got)
		assert.NoError(t, err, "a ticket can hold it")
	}
}
