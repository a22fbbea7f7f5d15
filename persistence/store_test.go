package persistence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"testing"
	"time"

	"chatbox"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/mongo"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConfig_Validate(t *testing.T) {
	good := DefaultConfig()
	good.URI = "mongodb://user:hunter22@a.example,b.example/?replicaSet=rs0"
	require.NoError(t, good.Validate())
	good.URI = "mongodb+srv://user:hunter22@cluster.example"
	require.NoError(t, good.Validate(), "asks no DNS")

	bad := Config{URI: "mongodb://user:hunter22%zz@host/?w=maybe&x", Database: "a b", Timeout: -1}
	err := bad.Validate()
	for _, name := range []string{"MONGO_URI", "MONGO_DATABASE", "timeouts"} {
		require.ErrorContains(t, err, name, "all faults together")
	}
	require.NotContains(t, err.Error(), "hunter22")
	_, err = Open(t.Context(), bad, nil)
	require.Error(t, err)
	require.ErrorContains(t, Config{}.Validate(), "MONGO_URI is required")
}

func TestConfig_NeverPrintsItsURI(t *testing.T) {
	cfg := DefaultConfig()
	cfg.URI = "mongodb://user:hunter22@host/"
	var out bytes.Buffer
	fmt.Fprintf(&out, "%v %+v %#v %s\n", cfg, cfg, cfg, cfg)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("start", "cfg", cfg)
	assert.NotContains(t, out.String(), "hunter22")
	assert.Contains(t, out.String(), redacted)
}

func TestOutcomes_EachWriteHasItsOwn(t *testing.T) {
	duplicate := mongo.BulkWriteError{WriteError: mongo.WriteError{Index: 1, Code: 11000, Message: "E11000"}}
	other := mongo.BulkWriteError{WriteError: mongo.WriteError{Index: 2, Code: 10334, Message: "too large"}}
	late := &mongo.WriteConcernError{Code: 64, Message: "waiting for replication timed out"}
	network := errors.New("connection reset")
	for name, c := range map[string]struct {
		err  error
		want []string
	}{
		"all well":  {nil, []string{"", "", ""}},
		"unknown":   {network, []string{"unknown", "unknown", "unknown"}},
		"neighbour": {mongo.BulkWriteException{WriteErrors: []mongo.BulkWriteError{duplicate, other}}, []string{"", "taken", "unknown"}},
		"no majority in time": {
			mongo.BulkWriteException{WriteErrors: []mongo.BulkWriteError{duplicate}, WriteConcernError: late},
			[]string{"unknown", "taken", "unknown"},
		},
		"says nothing": {mongo.BulkWriteException{Labels: []string{"RetryableWriteError"}}, []string{"unknown", "unknown", "unknown"}},
		"wrapped": {
			fmt.Errorf("x: %w", mongo.BulkWriteException{WriteErrors: []mongo.BulkWriteError{duplicate}}),
			[]string{"", "taken", ""},
		},
	} {
		var got []string
		for _, err := range outcomes(c.err, 3) {
			switch {
			case err == nil:
				got = append(got, "")
			case errors.Is(err, errTaken):
				got = append(got, "taken")
			default:
				got = append(got, "unknown")
			}
		}
		assert.Equal(t, c.want, got, name)
	}
}

func TestPassing_OnlyWhatAnotherTryMayChange(t *testing.T) {
	assert.True(t, passing(errors.New("server selection error")))
	assert.True(t, passing(mongo.CommandError{Code: 10107, Name: "NotWritablePrimary"}))
	assert.False(t, passing(mongo.CommandError{Code: 13, Name: "Unauthorized"}))
	assert.False(t, passing(fmt.Errorf("x: %w", mongo.CommandError{Code: 86, Name: "IndexKeySpecsConflict"})))
	assert.False(t, passing(mongo.ErrClientDisconnected))
}

// away is a store whose server accepts connections and never answers.
func away(t *testing.T) *Store {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	cfg := Config{URI: "mongodb://" + l.Addr().String()}
	start := time.Now()
	s, err := Open(t.Context(), cfg, ring(t, Key{"a", secretOf(1)}))
	require.NoError(t, err)
	assert.Less(t, time.Since(start), 5*time.Second, "opening waits for nobody")
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Second)
		defer cancel()
		assert.NoError(t, s.Close(ctx))
	})
	return s
}

func TestStore_ServerAway(t *testing.T) {
	s := away(t)
	k := chatbox.SessionKey{Tenant: "t", ID: "s"}
	e := chatbox.Event{Session: k, Seq: 1, Key: "c:u:1"}
	for name, act := range map[string]func(ctx context.Context) error{
		"append": func(ctx context.Context) error { return s.Messages().Append(ctx, e) },
		"create": func(ctx context.Context) error {
			_, _, err := s.Sessions().Create(ctx, chatbox.Session{Key: k})
			return err
		},
		"by key": func(ctx context.Context) error {
			_, err := s.Messages().ByKey(ctx, k, "x")
			return err
		},
		"range": func(ctx context.Context) error {
			_, err := s.Messages().Range(ctx, k, 1, 2)
			return err
		},
		"load": func(ctx context.Context) error {
			_, err := s.Sessions().Load(ctx, k)
			return err
		},
		"list": func(ctx context.Context) error {
			_, err := s.Sessions().List(ctx, chatbox.SessionQuery{Limit: 1})
			return err
		},
		"touch": func(ctx context.Context) error { return s.Sessions().SaveState(ctx, k, chatbox.State{Head: 1}) },
		"name":  func(ctx context.Context) error { return s.Sessions().SetName(ctx, k, "x", false) },
		"claim": func(ctx context.Context) error {
			_, err := s.Turns().ClaimTurn(ctx, k, 1)
			return err
		},
		"settle": func(ctx context.Context) error {
			return s.Turns().SettleTurn(ctx, k, chatbox.Gen{Seq: 1, Run: 1}, chatbox.TurnDone)
		},
		"pending": func(ctx context.Context) error {
			_, err := s.Turns().PendingTurns(ctx, time.Time{}, time.Now(), 1)
			return err
		},
		"ping": s.Ping,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		start := time.Now()
		require.ErrorIs(t, act(ctx), chatbox.StoreFailed, name)
		assert.Less(t, time.Since(start), 5*time.Second, name)
		cancel()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.EnsureIndexes(ctx), context.DeadlineExceeded)
}

func TestStore_NothingIsWrittenBeforeItsIndexesAreThere(t *testing.T) {
	s := away(t)
	err := s.Messages().Append(t.Context(), chatbox.Event{})
	require.ErrorIs(t, err, chatbox.StoreFailed)
	require.ErrorContains(t, err, "indexes")
	_, _, err = s.Sessions().Create(t.Context(), chatbox.Session{})
	require.ErrorContains(t, err, "indexes")
	require.ErrorContains(t, s.Ping(t.Context()), "indexes")
}

func TestStore_AfterClose(t *testing.T) {
	s := away(t)
	s.indexed.Store(true)
	require.NoError(t, s.Close(t.Context()))
	require.NoError(t, s.Close(t.Context()), "twice does no harm")
	require.ErrorIs(t, s.Messages().Append(t.Context(), chatbox.Event{}), chatbox.StoreFailed)
	_, err := s.Messages().Range(t.Context(), chatbox.SessionKey{}, 1, 2)
	require.ErrorIs(t, err, chatbox.StoreFailed)
	require.ErrorContains(t, s.EnsureIndexes(t.Context()), "disconnected")
}

func TestRefusal_OnlyADNSThatDoesNotAnswerMayPass(t *testing.T) {
	for err, fault := range map[error]bool{
		&net.DNSError{Err: "no such host", Name: "_mongodb._tcp.hunter22.example", IsNotFound: true}:                true,
		errors.New("error parsing uri: mongodb+srv://u:hunter22@h"):                                                 true,
		fmt.Errorf("error parsing uri: %w", &net.DNSError{Err: "no such host", Name: "hunter22", IsNotFound: true}): true,
		&net.DNSError{Err: "server misbehaving", Name: "hunter22", IsTemporary: true}:                               false,
		&net.DNSError{Err: "i/o timeout", Name: "hunter22", IsTimeout: true}:                                        false,
	} {
		got := refusal(err)
		_, unfit := errors.AsType[*chatbox.UnfitError](got)
		assert.Equal(t, fault, unfit, "%v", err)
		require.ErrorContains(t, got, "MONGO_URI")
		assert.NotContains(t, got.Error(), "hunter22")
	}
}
