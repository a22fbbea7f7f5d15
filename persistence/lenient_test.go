package persistence

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/bson"
)

// TestDecode_AMalformedDocumentIsARow: if one field is malformed, the others are
// decoded, and the document is counted.
func TestDecode_AMalformedDocumentIsARow(t *testing.T) {
	ring, err := NewKeyring([]Key{{ID: "a", Secret: [32]byte{1}}})
	require.NoError(t, err)
	s := &Store{keys: ring}
	for name, change := range map[string]bson.E{
		"a name that is text":    {Key: "name", Value: "plain"},
		"a fold that is text":    {Key: "state", Value: "none"},
		"a fold's head of text":  {Key: "state", Value: bson.D{{Key: "head", Value: "x"}, {Key: "ended", Value: true}}},
		"a time that is a table": {Key: "created", Value: bson.D{{Key: "x", Value: 1}}},
		"tags of another shape":  {Key: "tags", Value: bson.A{1, "x"}},
		"a box that is a number": {Key: "owner_name", Value: 7},
	} {
		t.Run(name, func(t *testing.T) {
			doc := bson.D{
				{Key: "_id", Value: "t/s"},
				{Key: "tenant", Value: "t"},
				{Key: "session", Value: "s"},
				{Key: "owner", Value: "u"},
				{Key: "last_activity", Value: time.Now()},
				{Key: "erased", Value: false},
				change,
			}
			raw, err := bson.Marshal(bson.D{{Key: "list", Value: bson.A{doc}}})
			require.NoError(t, err)
			var read struct{ List []sessionDoc }
			require.NoError(t, bson.Unmarshal(raw, &read))
			before := ring.Failures()
			got := s.decodeSession(read.List[0])
			assert.True(t, got.Unreadable)
			assert.Equal(t, "s", got.Key.ID)
			assert.Equal(t, "u", got.Owner)
			assert.Greater(t, ring.Failures(), before)
		})
	}
	raw, err := bson.Marshal(bson.D{
		{Key: "tenant", Value: "t"},
		{Key: "session", Value: "s"},
		{Key: "seq", Value: int64(3)},
		{Key: "key", Value: "k"},
		{Key: "type", Value: "user_message"},
		{Key: "answer", Value: "none"},
		{Key: "box", Value: "text"},
	})
	require.NoError(t, err)
	var d messageDoc
	require.NoError(t, bson.Unmarshal(raw, &d))
	e := s.decodeEvent(d)
	assert.True(t, e.Unreadable)
	assert.EqualValues(t, 3, e.Seq)
	assert.Equal(t, "k", e.Key)
}
