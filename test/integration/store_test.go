//go:build integration

package integration

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"chatbox"
	"chatbox/persistence"
	"chatbox/test/conformance"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// mongoURI is the server under test.
func mongoURI(tb testing.TB) string {
	tb.Helper()
	return mongoServer.address(tb)
}

// mongoDatabase is a database of the test's own, dropped at its end.
func mongoDatabase(tb testing.TB) *mongo.Database {
	tb.Helper()
	client, err := mongo.Connect(tb.Context(), options.Client().ApplyURI(mongoURI(tb)))
	require.NoError(tb, err)
	db := client.Database("chatbox_test_" + strings.ToLower(ulid.Make().String()))
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), 30*time.Second)
		defer cancel()
		assert.NoError(tb, db.Drop(ctx))
		assert.NoError(tb, client.Disconnect(ctx))
	})
	return db
}

func mongoConfig(tb testing.TB, db *mongo.Database) persistence.Config {
	tb.Helper()
	cfg := persistence.DefaultConfig()
	cfg.URI, cfg.Database = mongoURI(tb), db.Name()
	return cfg
}

func openStore(tb testing.TB, cfg persistence.Config, keys ...persistence.Key) *persistence.Store {
	tb.Helper()
	if len(keys) == 0 {
		keys = []persistence.Key{conformance.StoreKey()}
	}
	ring, err := persistence.NewKeyring(keys)
	require.NoError(tb, err)
	s, err := persistence.Open(tb.Context(), cfg, ring)
	require.NoError(tb, err)
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), 10*time.Second)
		defer cancel()
		assert.NoError(tb, s.Close(ctx))
	})
	require.NoError(tb, s.EnsureIndexes(tb.Context()))
	return s
}

func storePorts(s *persistence.Store) conformance.Stores {
	return conformance.Stores{
		Messages: s.Messages(), Sessions: s.Sessions(), Turns: s.Turns(), Tombs: s.Sessions(), Shares: s.Shares(),
		Alerts: s.Alerts(), Transcripts: s.Transcripts(), Audit: s.Audit(), Ledger: s.Sessions(), Concurrency: s.Concurrency(), Erasures: s.Sessions(), Cards: s.Cards(), Withdrawals: s.Withdrawals(), Peers: s.Peers(), Rotation: s,
		Queue:   s.Sessions(),
		Ratings: s.Sessions(), Feedback: s.Messages(),
		Labels: s.Sessions(),
		Finder: s.Search(),
		Blocks: s.Blocks(),
		Files:  s.Files(),
	}
}

func messageFilter(k chatbox.SessionKey, seq int64) bson.D {
	return bson.D{{Key: "tenant", Value: k.Tenant}, {Key: "session", Value: k.ID}, {Key: "seq", Value: seq}}
}

func auditFilter(tenant string, n int64) bson.D {
	return bson.D{{Key: "tenant", Value: tenant}, {Key: "n", Value: n}}
}

func TestStore_Conformance(t *testing.T) {
	db := mongoDatabase(t)
	messages := db.Collection("messages")
	s := openStore(t, mongoConfig(t, db))
	box := func(t *testing.T, k chatbox.SessionKey, seq int64) []byte {
		t.Helper()
		var doc struct{ Box []byte }
		require.NoError(t, messages.FindOne(t.Context(), messageFilter(k, seq)).Decode(&doc))
		require.NotEmpty(t, doc.Box)
		return doc.Box
	}
	setBox := func(t *testing.T, k chatbox.SessionKey, seq int64, b []byte) {
		t.Helper()
		set := bson.D{{Key: "$set", Value: bson.D{{Key: "box", Value: b}}}}
		done, err := messages.UpdateOne(t.Context(), messageFilter(k, seq), set)
		require.NoError(t, err)
		require.EqualValues(t, 1, done.ModifiedCount)
	}
	conformance.Store(t, func(*testing.T) conformance.StoreFixture {
		return conformance.StoreFixture{
			Stores: storePorts(s),
			Reopen: func(t *testing.T, keys ...persistence.Key) conformance.Stores {
				t.Helper()
				return storePorts(openStore(t, mongoConfig(t, db), keys...))
			},
			NoWords: func(t *testing.T) conformance.Stores {
				t.Helper()
				cfg := mongoConfig(t, db)
				cfg.NoWords = true
				return storePorts(openStore(t, cfg))
			},
			MoveBox: func(t *testing.T, k chatbox.SessionKey, from, to int64) {
				t.Helper()
				setBox(t, k, to, box(t, k, from))
			},
			AlterBox: func(t *testing.T, k chatbox.SessionKey, seq int64) {
				t.Helper()
				b := box(t, k, seq)
				b[len(b)/2] ^= 1
				setBox(t, k, seq, b)
			},
			AlterNames: func(t *testing.T, k chatbox.SessionKey) {
				t.Helper()
				filter := bson.D{{Key: "tenant", Value: k.Tenant}, {Key: "session", Value: k.ID}}
				var doc struct {
					Name      []byte
					OwnerName []byte `bson:"owner_name"`
				}
				require.NoError(t, db.Collection("sessions").FindOne(t.Context(), filter).Decode(&doc))
				doc.Name[len(doc.Name)-1] ^= 1
				doc.OwnerName[len(doc.OwnerName)-1] ^= 1
				_, err := db.Collection("sessions").UpdateOne(t.Context(), filter,
					bson.D{{Key: "$set", Value: bson.D{{Key: "name", Value: doc.Name}, {Key: "owner_name", Value: doc.OwnerName}}}})
				require.NoError(t, err)
			},
			SpoilFold: func(t *testing.T, k chatbox.SessionKey) {
				t.Helper()
				filter := bson.D{{Key: "tenant", Value: k.Tenant}, {Key: "session", Value: k.ID}}
				done, err := db.Collection("sessions").UpdateOne(t.Context(), filter, bson.D{{Key: "$set", Value: bson.D{{Key: "state", Value: "garbage"}}}})
				require.NoError(t, err)
				require.EqualValues(t, 1, done.MatchedCount)
			},
			AlterAudit: func(t *testing.T, tenant string, n int64) {
				t.Helper()
				done, err := db.Collection("audit").UpdateOne(t.Context(), auditFilter(tenant, n),
					bson.D{{Key: "$set", Value: bson.D{{Key: "action", Value: "session.watch"}}}})
				require.NoError(t, err)
				require.EqualValues(t, 1, done.ModifiedCount)
			},
			RemoveAudit: func(t *testing.T, tenant string, n int64) {
				t.Helper()
				done, err := db.Collection("audit").DeleteOne(t.Context(), auditFilter(tenant, n))
				require.NoError(t, err)
				require.EqualValues(t, 1, done.DeletedCount)
			},
			AtRest: func(t *testing.T) []byte {
				t.Helper()
				return allDocuments(t, db)
			},
		}
	})
}

// allDocuments is every stored document as the server has it.
func allDocuments(t *testing.T, db *mongo.Database) []byte {
	t.Helper()
	var all bytes.Buffer
	for _, name := range []string{"messages", "sessions", "shares", "audit", "people", "cards", "files"} {
		found, err := db.Collection(name).Find(t.Context(), bson.D{})
		require.NoError(t, err)
		for found.Next(t.Context()) {
			all.Write(found.Current)
		}
		require.NoError(t, found.Err())
	}
	return all.Bytes()
}
