package persistence

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/description"
	"go.mongodb.org/mongo-driver/x/mongo/driver/topology"

	"chatbox"
	"chatbox/internal/outage"
)

func TestCause_SaysWhatToDo(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		kind outage.Kind
		says string
	}{
		{"no right", mongo.CommandError{Code: 13, Message: "not authorized"}, outage.Permission, "readWrite"},
		{"no right to insert", mongo.WriteException{WriteErrors: mongo.WriteErrors{{Code: 13}}}, outage.Permission, "readWrite"},
		{"wrong password", mongo.CommandError{Code: 18, Message: "Authentication failed"}, outage.Authentication, "password"},
		{
			"wrong password, as the pool says it",
			topology.ConnectionError{Wrapped: errors.New("auth error: sasl conversation error")},
			outage.Authentication, "password",
		},
		{"other case", mongo.CommandError{Code: 13297}, outage.Failed, "MONGO_DATABASE"},
		{"an index of that name", mongo.CommandError{Code: 86}, outage.Failed, "drop it"},
		{"duplicates", mongo.CommandError{Code: 11000}, outage.Failed, "another program"},
		{"a secondary", mongo.CommandError{Code: 10107}, outage.NoPrimary, ""},
		{
			"what the selection waited for", topology.ServerSelectionError{
				Wrapped: context.DeadlineExceeded,
				Desc: description.Topology{Servers: []description.Server{
					{}, {LastError: errors.New("connection() error: auth error: Authentication failed")},
				}},
			}, outage.Authentication, "password",
		},
		{"no answer", topology.ServerSelectionError{Wrapped: context.DeadlineExceeded}, outage.Timeout, "server selection"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Cause(chatbox.NewError(chatbox.StoreFailed, "the history cannot be reached at the moment", c.err))
			assert.Equal(t, c.kind, outage.KindOf(got))
			assert.Contains(t, got.Error(), c.says)
		})
	}
	assert.NoError(t, Cause(nil))
}

func TestServerInfo_Findings(t *testing.T) {
	for version, found := range map[string]int{"8.0.4": 0, "6.0": 0, "7.0.77": 0, "5.0.3": 1, "4.4": 1, "": 0, "x": 0} {
		assert.Len(t, serverInfo{Version: version}.findings(), found, version)
	}
	for ahead, says := range map[time.Duration]string{
		time.Second: "", -time.Second: "", 40 * time.Second: "40s ahead of", -time.Hour: "1h0m0s behind",
	} {
		found := serverInfo{timeSaid: true, ahead: ahead}.findings()
		if says == "" {
			assert.Empty(t, found)
			continue
		}
		require.Len(t, found, 1)
		assert.Contains(t, found[0], says)
	}
}

func TestConfig_TheURIsOtherDatabase(t *testing.T) {
	for uri, other := range map[string]string{
		"mongodb://h": "", "mongodb://h/": "", "mongodb://h/chat": "", "mongodb://u:p%2F@h:1,h2:2/admin?x=/y": "",
		"mongodb://u:p@h1:1,h2:2/prod?replicaSet=r": "prod", "mongodb+srv://u:p@h/other": "other",
	} {
		assert.Equal(t, other, Config{URI: uri, Database: "chat"}.otherDatabase(), uri)
	}
	for _, reserved := range []string{"admin", "local", "config"} {
		require.ErrorContains(t, Config{URI: "mongodb://h", Database: reserved}.Validate(), "MONGO_DATABASE")
	}
}

// TestStore_NothingBeforeTheSurvey: a pod whose keys have not been checked
// neither reads nor writes, and does not wait for a server.
func TestStore_NothingBeforeTheSurvey(t *testing.T) {
	ring, err := NewKeyring([]Key{{ID: "a", Secret: [32]byte{1}}})
	require.NoError(t, err)
	s, err := Open(t.Context(), Config{URI: "mongodb://127.0.0.1:1"}, ring)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close(context.WithoutCancel(t.Context()))) }()
	k := chatbox.SessionKey{ID: "s"}
	for name, act := range map[string]func() error{
		"load":   func() error { _, err := s.Sessions().Load(t.Context(), k); return err },
		"create": func() error { _, _, err := s.Sessions().Create(t.Context(), chatbox.Session{Key: k}); return err },
		"touch":  func() error { return s.Sessions().SaveState(t.Context(), k, chatbox.State{Head: 1}) },
		"append": func() error { return s.Messages().Append(t.Context(), chatbox.Event{Session: k, Seq: 1, Key: "k"}) },
		"erase":  func() error { return s.Messages().EraseRange(t.Context(), k, 1, 2) },
		"bury":   func() error { return s.Sessions().Bury(t.Context(), k, time.Now()) },
		"expire": func() error { return s.Shares().Expire(t.Context(), time.Now()) },
		"audit": func() error {
			return s.Audit().Record(t.Context(), chatbox.Actor{UserID: "u"}, chatbox.AuditSessionEnd, chatbox.AuditSubject{})
		},
	} {
		err := act()
		require.ErrorIs(t, err, chatbox.StoreFailed, name)
		assert.NotContains(t, err.Error(), "server selection", name)
	}
	// Ping contacts the server nevertheless, so that readiness can give the
	// reason.
	require.ErrorIs(t, s.Ping(t.Context()), chatbox.StoreFailed)
}
