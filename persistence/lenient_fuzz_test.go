package persistence

import (
	"testing"
	"time"

	"chatbox/test/fuzz"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/bson"
)

// FuzzDocument reads documents with any fields, since every program with access
// may write to the database. Each document is a row of a list, and its faults are
// marked.
func FuzzDocument(f *testing.F) {
	ring, err := NewKeyring([]Key{{ID: "a", Secret: secretOf(1)}})
	require.NoError(f, err)
	store := &Store{keys: ring}
	box, err := ring.Seal([]byte("hello"), "t", "s", "k")
	require.NoError(f, err)
	for _, doc := range []any{
		sessionDoc{Tenant: "t", Session: "s", Owner: "u", Name: box},
		messageDoc{Tenant: "t", Session: "s", Seq: 3, Key: "k", Type: "user_message", Box: box},
		bson.D{{Key: "session", Value: 7}, {Key: "state", Value: bson.D{{Key: "head", Value: "x"}}}, {Key: "tags", Value: bson.A{1, "x"}}},
		bson.D{{Key: "seq", Value: "x"}, {Key: "answer", Value: 1}, {Key: "time", Value: time.Unix(1, 0)}, {Key: "box", Value: "b"}},
	} {
		text, err := bson.MarshalExtJSON(doc, true, false)
		require.NoError(f, err)
		f.Add(text)
	}
	fuzz.Run(f, func(t fuzz.T, text []byte) {
		var doc bson.D
		if bson.UnmarshalExtJSON(text, true, &doc) != nil {
			return
		}
		raw, err := bson.Marshal(doc)
		if err != nil {
			return
		}
		var session sessionDoc
		require.NoError(t, session.UnmarshalBSON(raw))
		require.True(t, !session.malformed || store.decodeSession(session).Unreadable)
		var message messageDoc
		require.NoError(t, message.UnmarshalBSON(raw))
		require.True(t, !message.malformed || store.decodeEvent(message).Unreadable)
	})
}
