//go:build integration

package integration

import (
	"context"
	"slices"
	"testing"
	"time"

	"chatbox"
	"chatbox/app/doctor"
	"chatbox/internal/outage"
	"chatbox/persistence"
	"chatbox/redisstate"
	"chatbox/test/conformance"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// TestInspect_ChangesNothing: from an empty database to one with a pod's data, and
// to the faults that operators meet.
func TestInspect_ChangesNothing(t *testing.T) {
	db := mongoDatabase(t)
	cfg := mongoConfig(t, db)
	ours, theirs := conformance.StoreKey(), persistence.Key{ID: conformance.StoreKey().ID, Secret: [32]byte{9}}
	inspect := func(keys ...persistence.Key) persistence.Inspection {
		s := unprepared(t, cfg, keys...)
		found, err := s.Inspect(t.Context())
		require.NoError(t, err)
		if found.Keys == nil {
			require.NoError(t, s.TryWrite(t.Context()))
		}
		return found
	}
	found := inspect(ours)
	assert.True(t, found.New)
	assert.True(t, found.NewKeys)
	assert.NotEmpty(t, found.Missing)
	assert.NotEmpty(t, found.Version)
	names, err := db.ListCollectionNames(t.Context(), bson.D{})
	require.NoError(t, err)
	assert.Empty(t, names, "the doctor leaves nothing behind")

	_, err = openStore(t, cfg, ours).Survey(t.Context()) // as a pod does
	require.NoError(t, err)
	found = inspect(ours)
	assert.False(t, found.New)
	assert.False(t, found.NewKeys)
	require.NoError(t, found.Keys)
	assert.Empty(t, found.Missing)
	assert.Empty(t, found.Odd)
	assert.True(t, inspect(persistence.Key{ID: "next", Secret: [32]byte{7}}, ours).NewKeys)

	var unfit *chatbox.UnfitError
	require.ErrorAs(t, inspect(theirs).Keys, &unfit)
	book, err := db.Collection("keys").CountDocuments(t.Context(), bson.D{{Key: "keys.id", Value: "next"}})
	require.NoError(t, err)
	assert.Zero(t, book, "no key was entered")

	messages := db.Collection("messages").Indexes()
	_, err = messages.DropOne(t.Context(), "pending_time")
	require.NoError(t, err)
	_, err = messages.DropOne(t.Context(), "tenant_session_key")
	require.NoError(t, err)
	_, err = messages.CreateOne(t.Context(), mongo.IndexModel{Keys: bson.D{{Key: "other", Value: 1}}, Options: options.Index().SetName("tenant_session_key")})
	require.NoError(t, err)
	found = inspect(ours)
	assert.Equal(t, []string{"messages.pending_time"}, found.Missing)
	assert.Equal(t, []string{"messages.tenant_session_key"}, found.Odd)
	names, err = db.ListCollectionNames(t.Context(), bson.D{})
	require.NoError(t, err)
	assert.NotContains(t, names, "doctor")
}

// TestDoctor_RealServers: the lines of real servers, sound and with a user who may
// use keys and no channels.
func TestDoctor_RealServers(t *testing.T) {
	db, rdb := mongoDatabase(t), redis.NewClient(redisOptions(t))
	defer func() { _ = rdb.Close() }()
	addr := redisOptions(t).Addr
	look := func(env ...string) []doctor.Finding {
		return doctor.Examine(t.Context(), append([]string{
			"JWT_SECRET=q8Zr2Kx7Vn4Tj9Wb5Hc1Yd6Mf3Ls0PgRaE", "ENCRYPTION_KEY=u7Wq2Zx9Lm4Kp6Rt1Yb8Vc3Nd5Hf0JsG", "WS_ALLOWED_ORIGINS=https://chat.example.com",
			"LLM_PROVIDER_1_ID=small", "LLM_PROVIDER_1_TYPE=scripted", "POD_ID=a", "LISTEN_ADDR=127.0.0.1:0",
			"MONGO_URI=" + mongoURI(t), "MONGO_DATABASE=" + db.Name(),
		}, env...), "", doctor.Options{})
	}
	found := look("REDIS_URL=redis://" + addr)
	assert.False(t, doctor.Failed(found), "%v", found)
	for _, name := range []string{"redis", "mongodb", "keys"} {
		assert.True(t, slices.ContainsFunc(found, func(f doctor.Finding) bool { return f.Name == name }), name)
	}
	require.NoError(t, rdb.Do(t.Context(), "ACL", "SETUSER", "keysonly", "on", ">password-of-it", "~*", "+@all", "resetchannels").Err())
	defer rdb.Do(context.WithoutCancel(t.Context()), "ACL", "DELUSER", "keysonly")
	found = look("REDIS_URL=redis://keysonly:password-of-it@" + addr)
	assert.True(t, slices.ContainsFunc(found, func(f doctor.Finding) bool {
		return f.Level == doctor.Fail && f.Name == "redis"
	}), "%v", found)
}

// TestRedis_Echo: a message of a process reaches itself, and a server that is
// silent is reported.
func TestRedis_Echo(t *testing.T) {
	cfg := redisstate.DefaultConfig()
	cfg.Addrs = []string{redisOptions(t).Addr}
	c, err := redisstate.Open(cfg, nil)
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	require.NoError(t, c.Echo(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	assert.Equal(t, outage.Timeout, redisstate.Kind(c.Echo(ctx)))
}
