package api

import (
	"testing"

	"github.com/stretchr/testify/require"

	"chatbox/test/fuzz"
)

// FuzzKeySet: from any answer of an issuer the pod takes only public keys that
// are strong enough, and not more of them than it keeps.
func FuzzKeySet(f *testing.F) {
	const (
		x = `"x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4"`
		y = `"y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"`
	)
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256",` + x + `,` + y + `,"use":"sig","kid":"1"},{"kty":"EC"},null,7]}`))
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"2"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ"},{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`))
	fuzz.Run(f, func(t fuzz.T, b []byte) {
		keys, err := parseKeys(b)
		require.Equal(t, err != nil, len(keys) == 0)
		require.LessOrEqual(t, len(keys), maxKeys)
		for _, key := range keys {
			require.True(t, key.IsPublic() && key.Valid() && usable(key))
		}
	})
}
