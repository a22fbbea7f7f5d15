package doctor

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/config"
	"chatbox/internal/outage"
	"chatbox/persistence"
	"chatbox/providers/llm"
)

// fakeHistory is a history in the state of found.
type fakeHistory struct {
	found          persistence.Inspection
	inspect, write error
	written        int
}

func (f *fakeHistory) Inspect(context.Context) (persistence.Inspection, error) {
	return f.found, f.inspect
}
func (f *fakeHistory) TryWrite(context.Context) error { f.written++; return f.write }
func (f *fakeHistory) Close(context.Context) error    { return nil }

func TestHistory_Findings(t *testing.T) {
	at := place{what: "MongoDB", at: "m:27017", setting: "MONGO_URI"}
	wrong := &chatbox.UnfitError{Reason: `the encryption key "a" is another`}
	for name, c := range map[string]struct {
		history fakeHistory
		level   Level
		parts   []string
		keys    Level
		says    string
	}{
		"good":       {history: fakeHistory{found: persistence.Inspection{Version: "7.0", Set: "rs0"}}, level: OK, parts: []string{`database "chat", version 7.0, replica set "rs0", all indexes exist`}, keys: OK, says: "open what the cluster has sealed"},
		"new":        {history: fakeHistory{found: persistence.Inspection{New: true, NewKeys: true, Missing: []string{"messages.x"}}}, level: OK, parts: []string{"new: the first pod prepares it"}, keys: OK, says: "new"},
		"alone":      {history: fakeHistory{found: persistence.Inspection{Lone: true}}, level: Warn, parts: []string{"replica set of three"}, keys: OK},
		"away":       {history: fakeHistory{inspect: outage.As(outage.Refused, errBroken)}, level: Fail, parts: []string{"cannot connect to m:27017 (connection refused). Start MongoDB or correct MONGO_URI."}, keys: Warn, says: "not checked"},
		"no write":   {history: fakeHistory{write: outage.As(outage.Timeout, errBroken)}, level: Fail, parts: []string{"not acknowledged by a majority", "it is broken"}, keys: OK},
		"wrong keys": {history: fakeHistory{found: persistence.Inspection{Keys: wrong}}, level: OK, parts: []string{"m:27017 answers; database"}, keys: Fail, says: "is another"},
		"foreign":    {history: fakeHistory{found: persistence.Inspection{Foreign: "set MONGO_DATABASE", Keys: errBroken}}, level: Fail, parts: []string{"set MONGO_DATABASE"}, keys: Fail},
		"a stray":    {history: fakeHistory{found: persistence.Inspection{Foreign: "set MONGO_DATABASE"}}, level: Warn, keys: OK},
		"missing":    {history: fakeHistory{found: persistence.Inspection{Missing: []string{"messages.x"}}}, level: Warn, parts: []string{"messages.x"}, keys: OK},
		"odd":        {history: fakeHistory{found: persistence.Inspection{Odd: []string{"messages.y"}}}, level: Fail, parts: []string{"messages.y", "Drop them"}, keys: OK},
		"clock":      {history: fakeHistory{found: persistence.Inspection{Findings: []string{"this machine's clock is off"}}}, level: Warn, parts: []string{"clock"}, keys: OK},
	} {
		t.Run(name, func(t *testing.T) {
			found := lookAtHistory(t.Context(), at, "chat", &c.history)
			require.Len(t, found, 2)
			requireLine(t, found, c.level, "mongodb", c.parts...)
			requireLine(t, found, c.keys, "keys", c.says)
			if c.history.found.Keys != nil || c.history.inspect != nil {
				assert.Zero(t, c.history.written, "nothing is written beside data that is not ours")
			}
		})
	}
}

func TestHistory_OverTheNetwork(t *testing.T) {
	visit := func(addr string) []Finding {
		cfg, err := config.Load([]string{"ENCRYPTION_KEY=u7Wq2Zx9Lm4Kp6Rt1Yb8Vc3Nd5Hf0JsG", "MONGO_URI=mongodb://u:password-of-mongo@" + addr + "/?connect=direct"}, "")
		require.Error(t, err, "other settings are missing")
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		return visitHistory(ctx, cfg)
	}
	found := visit(closed(t))
	requireLine(t, found, Fail, "mongodb", "(connection refused). Start MongoDB or correct MONGO_URI.")
	requireLine(t, found, Warn, "keys", "not checked")
	requireLine(t, visit(hung(t)), Fail, "mongodb", "no answer in time")
	for uri, at := range map[string]string{
		"mongodb://u:password@a:1,b:2/x?y=z": "a:1,b:2",
		"mongodb+srv://u:p%40@host":          "the servers of host",
	} {
		assert.Equal(t, at, historyPlace(config.Mongo{URI: llm.NewSecret(uri)}).at)
	}
}
