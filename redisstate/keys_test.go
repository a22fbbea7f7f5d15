package redisstate

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"chatbox"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// slot is the Cluster slot of a key: CRC16 (XMODEM) of its hash tag.
func slot(key string) uint16 {
	if i := strings.IndexByte(key, '{'); i >= 0 {
		if j := strings.IndexByte(key[i+1:], '}'); j > 0 {
			key = key[i+1 : i+1+j]
		}
	}
	var crc uint16
	for _, b := range []byte(key) {
		crc ^= uint16(b) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc % 16384
}

func TestSlot_KnownValues(t *testing.T) {
	assert.EqualValues(t, 12739, slot("123456789"), "the check value of the specification, 0x31C3")
	assert.Equal(t, slot("user1000"), slot("{user1000}.following"))
}

func anyName() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.StringMatching(`[{}|.:/\n ]{0,6}`))
}

func TestKeys_OfASessionShareOneSlot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := chatbox.SessionKey{Tenant: anyName().Draw(t, "tenant"), ID: anyName().Draw(t, "id")}
		seen := map[string]bool{}
		for _, field := range reflect.ValueOf(keysOf(s)).Fields() {
			key := field.String()
			assert.Equal(t, slot(keysOf(s).state), slot(key), key)
			assert.False(t, seen[key], "two kinds have one key")
			seen[key] = true
		}
		back, ok := sessionOfChannel(channelOf(s))
		require.True(t, ok)
		assert.Equal(t, s, back)
		back, ok = parseMember(member(s))
		require.True(t, ok)
		assert.Equal(t, s, back)
		u := chatbox.UserKey(s)
		assert.Equal(t, slot(rateKey(u)), slot(connKey(u)))
		for _, key := range staffKeys(s.Tenant) {
			assert.Equal(t, slot(staffKeys(s.Tenant)[0]), slot(key), key)
		}
	})
}

func TestKeys_DifferentNamesNeverShareAKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := chatbox.SessionKey{Tenant: anyName().Draw(t, "tenant"), ID: anyName().Draw(t, "id")}
		b := chatbox.SessionKey{Tenant: anyName().Draw(t, "tenant2"), ID: anyName().Draw(t, "id2")}
		assert.Equal(t, a == b, member(a) == member(b))
		ua, ub := chatbox.UserKey(a), chatbox.UserKey(b)
		assert.Equal(t, ua == ub, rateKey(ua) == rateKey(ub))
	})
}

func TestPartitions_AreSpreadOverSlots(t *testing.T) {
	slots := map[uint16]bool{}
	for p := range partitions {
		slots[slot(part(p))] = true
	}
	assert.Len(t, slots, partitions)
}

// TestScripts_TouchOnlyTheirKeys: a script that names a key itself could reach
// into another slot.
func TestScripts_TouchOnlyTheirKeys(t *testing.T) {
	files, err := scriptFiles.ReadDir("scripts")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		src, err := os.ReadFile("scripts/" + f.Name())
		require.NoError(t, err)
		for line := range strings.Lines(string(src)) {
			if strings.HasPrefix(line, "--") {
				continue
			}
			for _, call := range strings.Split(line, "redis.call(")[1:] {
				name, rest, _ := strings.Cut(call, ",")
				switch name {
				case "'TIME')", "'PUBLISH'":
				default:
					if !strings.HasPrefix(name, "'TIME')") {
						rest = strings.TrimSpace(rest)
						assert.Truef(t, strings.HasPrefix(rest, "KEYS[") || strings.HasPrefix(rest, "unpack(KEYS)"), "%s: %s", f.Name(), line)
					}
				}
			}
		}
		assert.Containsf(t, string(src), "-- KEYS", "%s has no contract", f.Name())
		assert.Containsf(t, string(src), "-- RETURNS", "%s has no contract", f.Name())
	}
}

// Every message makes the session's keys several times.
func BenchmarkKeysOf(b *testing.B) {
	s := chatbox.SessionKey{Tenant: "acme", ID: "0123456789abcdef0123456789abcdef"}
	b.ReportAllocs()
	for b.Loop() {
		_ = keysOf(s)
	}
}
