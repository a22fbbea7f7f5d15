package persistence

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"chatbox/test/fuzz"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func secretOf(b byte) (s [32]byte) {
	for i := range s {
		s[i] = b
	}
	return s
}

func ring(tb testing.TB, keys ...Key) *Keyring {
	tb.Helper()
	k, err := NewKeyring(keys)
	require.NoError(tb, err)
	return k
}

// The vectors of the construction's specification (c2sp.org/XAES-256-GCM).
func TestXAES_KnownAnswers(t *testing.T) {
	nonce := []byte("ABCDEFGHIJKLMNOPQRSTUVWX")
	for _, c := range []struct {
		key      byte
		ad, want string
	}{
		{0x01, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
		{0x03, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
	} {
		x, err := newXAES(secretOf(c.key))
		require.NoError(t, err)
		aead, err := x.derive(nonce)
		require.NoError(t, err)
		got := aead.Seal(nil, nonce[12:], []byte("XAES-256-GCM"), []byte(c.ad))
		assert.Equal(t, c.want, hex.EncodeToString(got))

		plain, err := x.open(append(bytes.Clone(nonce), got...), []byte(c.ad))
		require.NoError(t, err)
		assert.Equal(t, "XAES-256-GCM", string(plain))
	}
}

func TestKeyring_OpensWhatItSealed(t *testing.T) {
	k := ring(t, Key{"a", secretOf(1)})
	for _, plain := range [][]byte{nil, {}, []byte("x"), bytes.Repeat([]byte("é"), 1<<17)} {
		box, err := k.Seal(plain, "t", "s", "k")
		require.NoError(t, err)
		got, err := k.Open(box, "t", "s", "k")
		require.NoError(t, err)
		assert.True(t, bytes.Equal(plain, got))
		again, err := k.Seal(plain, "t", "s", "k")
		require.NoError(t, err)
		assert.NotEqual(t, box, again, "the same text never gives the same box")
	}
	assert.Zero(t, k.Failures())
}

func TestKeyring_RefusesAnotherPlace(t *testing.T) {
	k := ring(t, Key{"a", secretOf(1)})
	box, err := k.Seal([]byte("canary"), "ab", "c", "")
	require.NoError(t, err)
	for i, ad := range [][]string{{"a", "bc", ""}, {"ab", "c"}, {"ab", "c", "", ""}, {"ab", "", "c"}, {}} {
		got, err := k.Open(box, ad...)
		require.ErrorIs(t, err, ErrUndecipherable)
		assert.Nil(t, got)
		assert.NotContains(t, err.Error(), "canary")
		assert.Equal(t, uint64(i+1), k.Failures())
	}
}

func TestKeyring_RefusesEveryAlteredByte(t *testing.T) {
	k := ring(t, Key{"a", secretOf(1)}, Key{"b", secretOf(1)})
	box, err := k.Seal([]byte("hello"), "x")
	require.NoError(t, err)
	for i := range box {
		for _, bit := range []byte{1, 2, 3, 128} {
			bad := bytes.Clone(box)
			bad[i] ^= bit
			_, err := k.Open(bad, "x")
			require.ErrorIs(t, err, ErrUndecipherable, "byte %d", i)
		}
		_, err := k.Open(box[:i], "x")
		require.ErrorIs(t, err, ErrUndecipherable, "cut at %d", i)
	}
}

func TestKeyring_Rotation(t *testing.T) {
	before := ring(t, Key{"old", secretOf(1)})
	box, err := before.Seal([]byte("hello"), "x")
	require.NoError(t, err)

	during := ring(t, Key{"new", secretOf(2)}, Key{"old", secretOf(1)})
	got, err := during.Open(box, "x")
	require.NoError(t, err)
	assert.Equal(t, "hello", string(got))
	fresh, err := during.Seal([]byte("hello"), "x")
	require.NoError(t, err)

	after := ring(t, Key{"new", secretOf(2)})
	_, err = after.Open(fresh, "x")
	require.NoError(t, err, "the first key seals")
	_, err = after.Open(box, "x")
	require.ErrorIs(t, err, ErrUndecipherable, "the old key is gone")

	wrong := ring(t, Key{"old", secretOf(9)})
	_, err = wrong.Open(box, "x")
	require.ErrorIs(t, err, ErrUndecipherable, "same id, other secret")
}

func TestKeyring_ConcurrentUse(t *testing.T) {
	k := ring(t, Key{"a", secretOf(1)})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				text := fmt.Sprint(i, j)
				box, err := k.Seal([]byte(text), text)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := k.Open(box, text)
				assert.True(t, err == nil && text == string(got), err)
			}
		})
	}
	wg.Wait()
}

func TestNewKeyring_Refuses(t *testing.T) {
	for name, keys := range map[string][]Key{
		"none": nil, "no id": {{"", secretOf(1)}}, "bad id": {{"a:b", secretOf(1)}},
		"long id": {{strings.Repeat("a", 33), secretOf(1)}}, "twice": {{"a", secretOf(1)}, {"a", secretOf(2)}},
	} {
		_, err := NewKeyring(keys)
		assert.Error(t, err, name)
	}
}

func TestParseKeys(t *testing.T) {
	raw := "q8#Zr!v2Lm0^Tn5$Wb7&Yc4*Xd9(Ke1)"
	var want [32]byte
	copy(want[:], raw)
	b64 := base64.StdEncoding.EncodeToString([]byte(raw))
	other := base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xff, 0xfe}, 16))

	for name, single := range map[string]string{"raw": raw, "hex": hex.EncodeToString([]byte(raw)), "base64": b64} {
		keys, err := ParseKeys(single, "")
		require.NoError(t, err, name)
		assert.Equal(t, []Key{{SingleKeyID, want}}, keys, name)
	}

	keys, err := ParseKeys(raw, "k2:"+other+", k1:"+b64)
	require.NoError(t, err)
	require.Len(t, keys, 3)
	assert.Equal(t, []string{"k2", "k1", SingleKeyID}, []string{keys[0].ID, keys[1].ID, keys[2].ID})
	assert.Equal(t, want, keys[1].Secret)

	keys, err = ParseKeys(raw, "k2:"+other+",default:"+b64)
	require.NoError(t, err, "the same key twice contradicts nothing")
	assert.Equal(t, []string{"k2", SingleKeyID}, []string{keys[0].ID, keys[1].ID})
	_, err = ParseKeys(raw, "default:"+other)
	require.ErrorContains(t, err, `ENCRYPTION_KEY: is not the key "default" of ENCRYPTION_KEYS`)
	assert.NotContains(t, err.Error(), raw)

	for name, c := range map[string][2]string{
		"nothing": {"", ""}, "short": {raw[:31], ""}, "long": {raw + "x", ""}, "list without id": {"", b64},
		"short in list": {"", "a:" + b64[:20]}, "twice": {"", "a:" + b64 + ",a:" + other}, "empty entry": {"", "a:" + b64 + ","},
		"bad hex": {strings.Repeat("zz", 32), ""},
	} {
		_, err := ParseKeys(c[0], c[1])
		require.Error(t, err, name)
		for _, secret := range []string{raw[:31], b64[:20]} {
			assert.NotContains(t, err.Error(), secret, name)
		}
	}
	_, err = ParseKeys("short", "bad")
	require.ErrorContains(t, err, "ENCRYPTION_KEYS")
	require.ErrorContains(t, err, "ENCRYPTION_KEY:", "all faults together")
}

func TestKey_NeverPrintsItself(t *testing.T) {
	k := Key{"k1", secretOf('S')}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
		fmt.Fprintf(&out, verb+" "+verb+" "+verb+"\n", k, &k, []Key{k})
	}
	require.NoError(t, json.NewEncoder(&out).Encode(map[string]any{"k": k, "l": []Key{k}}))
	slog.New(slog.NewJSONHandler(&out, nil)).Info("key", "key", k, "keys", []Key{k})
	slog.New(slog.NewTextHandler(&out, nil)).Info("key", "key", k, "keys", []Key{k})
	for _, leak := range []string{"SSSS", "83 83", "5353", "0x53"} {
		assert.NotContains(t, strings.ReplaceAll(out.String(), "k1", ""), leak)
	}
	assert.Contains(t, out.String(), "[redacted]")
}

func FuzzKeyring_Open(f *testing.F) {
	k, err := NewKeyring([]Key{{"a", secretOf(1)}, {"b", secretOf(2)}})
	if err != nil {
		f.Fatal(err)
	}
	box, err := k.Seal([]byte("hello"), "t", "s")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(box, "t", "s")
	f.Add([]byte{}, "", "")
	f.Add([]byte{1, 255}, "", "")
	f.Add([]byte{1, 1, 'a'}, "t", "s")
	fuzz.Run(f, func(t fuzz.T, in []byte, a, b string) {
		got, err := k.Open(in, a, b)
		if err != nil {
			require.ErrorIs(t, err, ErrUndecipherable)
			require.Nil(t, got)
			return
		}
		require.Equal(t, "hello", string(got), "only what was sealed opens")
		require.Equal(t, []string{"t", "s"}, []string{a, b})
	})
}

func BenchmarkKeyring(b *testing.B) {
	k := ring(b, Key{"a", secretOf(1)})
	plain := bytes.Repeat([]byte("x"), 512)
	box, err := k.Seal(plain, "t", "s", "k")
	require.NoError(b, err)
	b.Run("seal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = k.Seal(plain, "t", "s", "k")
		}
	})
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = k.Open(box, "t", "s", "k")
		}
	})
}
