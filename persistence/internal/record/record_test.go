package record

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"chatbox"
	"chatbox/test/fuzz"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEventBody_RoundTrip(t *testing.T) {
	for _, e := range []chatbox.Event{
		{},
		{Content: "  \tindented\n\r\n 👩‍👩‍👧 שלום \xff end "},
		{FileID: "f", FileURL: "https://x/y?z=1"},
		{FileID: "f", Files: []chatbox.AttachedFile{{ID: "f", Name: "a \"b\" é.png", ContentType: "image/png", Size: 1 << 40, Width: 3, Height: 4}}},
		{Content: "two", Files: []chatbox.AttachedFile{{ID: "b", Duration: time.Minute}, {ID: "a", Name: "<>&"}}},
		{Content: strings.Repeat("é", 1<<16), Metadata: map[string]string{"": "", "a": "b", "long": strings.Repeat("v", 1000)}},
	} {
		raw := appendEvent(nil, e)
		var got chatbox.Event
		require.NoError(t, parseEvent(raw, &got))
		assert.Equal(t, e, got)
	}
}

func TestEventBody_SkipsTagsOfALaterVersion(t *testing.T) {
	raw := appendField(nil, 99, "later")
	raw = appendEvent(raw, chatbox.Event{Content: "now"})
	var got chatbox.Event
	require.NoError(t, parseEvent(raw, &got))
	assert.Equal(t, "now", got.Content)
}

// A file that cannot be decoded makes the event unreadable, and no part of it is
// left.
func TestEventBody_ADamagedFileClearsTheEvent(t *testing.T) {
	k := chatbox.SessionKey{ID: "s"}
	good := appendEvent(nil, chatbox.Event{Content: "c", FileID: "f", Metadata: map[string]string{"a": "b"}, Files: []chatbox.AttachedFile{{ID: "f"}}})
	for _, bad := range []string{"{", "[]", `"f"`, `{"size":"1"}`, `{"size":1.5}`, ""} {
		raw := append(bytes.Clone(good), tagFile, byte(len(bad)))
		box, err := plainCipher{}.Seal(append(raw, bad...), EventAAD(k, "c:u:1")...)
		require.NoError(t, err)
		got := chatbox.Event{Session: k, Key: "c:u:1"}
		OpenEvent(plainCipher{}, box, &got)
		assert.Equal(t, chatbox.Event{Session: k, Key: "c:u:1", Unreadable: true}, got, "%q", bad)
	}
}

func FuzzEventBody(f *testing.F) {
	f.Add(appendEvent(nil, chatbox.Event{Content: "c", FileID: "f", Metadata: map[string]string{"a": "b"}}))
	f.Add(appendEvent(nil, chatbox.Event{Files: []chatbox.AttachedFile{{ID: "f", Name: "n", Size: 1}, {ID: "g"}}}))
	f.Add([]byte{4, 1, 200})
	f.Add([]byte{5, 4, 'n', 'u', 'l', 'l'})
	f.Add([]byte{5, 1, '{'})
	fuzz.Run(f, func(t fuzz.T, in []byte) {
		var e chatbox.Event
		if parseEvent(in, &e) != nil {
			return
		}
		var again chatbox.Event
		require.NoError(t, parseEvent(appendEvent(nil, e), &again))
		require.Equal(t, e, again)
	})
}

func TestCursor(t *testing.T) {
	c := Cursor{Activity: 1_700_000_000_123, ID: "a.b_c-D9"}
	got, err := ParseCursor(c.String())
	require.NoError(t, err)
	assert.Equal(t, c, got)

	for _, bad := range []string{
		"", "x", "!!", c.String() + "=", c.String() + "A", c.String()[1:],
		Cursor{ID: "a|b"}.String(), Cursor{}.String(), Cursor{ID: strings.Repeat("a", 129)}.String(),
	} {
		_, err := ParseCursor(bad)
		var e *chatbox.Error
		require.ErrorAs(t, err, &e, bad)
		assert.Equal(t, chatbox.InvalidArgument, e.Code)
		assert.Equal(t, "cursor", e.Field)
	}
}

func TestTime_MillisecondsUTC(t *testing.T) {
	at := time.Date(2024, 2, 3, 4, 5, 6, 789_999_999, time.FixedZone("x", 3600))
	assert.Equal(t, time.Date(2024, 2, 3, 3, 5, 6, 789_000_000, time.UTC), Time(Millis(at)))
	assert.True(t, Time(Millis(time.Time{})).IsZero())
}

// plainCipher leaves the text readable and checks only the place.
type plainCipher struct{}

func (plainCipher) Seal(plain []byte, ad ...string) ([]byte, error) {
	return append([]byte(strings.Join(ad, "\x00")+"\x01"), plain...), nil
}

func (plainCipher) Open(box []byte, ad ...string) ([]byte, error) {
	place, plain, found := bytes.Cut(box, []byte{1})
	if !found || string(place) != strings.Join(ad, "\x00") {
		return nil, errors.New("moved")
	}
	return plain, nil
}

func TestSealedFor_ItsPlaceAlone(t *testing.T) {
	k := chatbox.SessionKey{Tenant: "t", ID: "s"}
	e := chatbox.Event{Session: k, Key: "c:u:1", Content: "hi"}
	box, err := SealEvent(plainCipher{}, e)
	require.NoError(t, err)
	got := chatbox.Event{Session: k, Key: "c:u:1"}
	OpenEvent(plainCipher{}, box, &got)
	assert.Equal(t, "hi", got.Content)
	moved := chatbox.Event{Session: k, Key: "c:u:2"}
	OpenEvent(plainCipher{}, box, &moved)
	assert.True(t, moved.Unreadable)
	assert.Empty(t, moved.Content)

	name, err := SealText(plainCipher{}, k, PartName, "n")
	require.NoError(t, err)
	_, err = OpenText(plainCipher{}, k, PartHolder, name)
	require.Error(t, err)
	none, err := SealText(plainCipher{}, k, PartName, "")
	require.NoError(t, err)
	assert.Nil(t, none)
}
