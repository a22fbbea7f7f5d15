package cluster

import (
	"context"
	"database/sql"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"chatbox"
	"chatbox/app"
	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
)

// spoiler overwrites what is sealed of records, as a disk or a lost key would.
type spoiler struct{ cfg devstack.Config }

func (s *spoiler) see(cfg *devstack.Config) { s.cfg = *cfg }

// spoil makes the field of the documents with the ids unreadable: by the
// session's id, and by the place in it unless that is 0.
func (s *spoiler) spoil(t *testing.T, table, field, session string, seq int64) {
	t.Helper()
	box := []byte("\x01\x07default no key has sealed this, and none will ever open it")
	if s.cfg.MongoURI != "" {
		rdb, err := mongo.Connect(t.Context(), options.Client().ApplyURI(s.cfg.MongoURI))
		require.NoError(t, err)
		defer func() { _ = rdb.Disconnect(context.WithoutCancel(t.Context())) }()
		filter := bson.D{{Key: "session", Value: session}}
		if seq > 0 {
			filter = append(filter, bson.E{Key: "seq", Value: seq})
		}
		done, err := rdb.Database(s.cfg.MongoName).Collection(table).
			UpdateOne(t.Context(), filter, bson.D{{Key: "$set", Value: bson.D{{Key: field, Value: box}}}})
		require.NoError(t, err)
		require.EqualValues(t, 1, done.MatchedCount)
		return
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.cfg.Data, "history.db")+"?_pragma=busy_timeout(5000)")
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	query, args := "UPDATE "+table+" SET "+field+" = ? WHERE session = ?", []any{box, session}
	if seq > 0 {
		query, args = query+" AND seq = ?", append(args, seq)
	}
	done, err := db.ExecContext(t.Context(), query, args...)
	require.NoError(t, err)
	n, err := done.RowsAffected()
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
}

// forgetCopies empties Redis, so that everything is read from the history.
func (c *cluster) forgetCopies() {
	c.t.Helper()
	opts, err := redis.ParseURL(c.stack.RedisURL())
	require.NoError(c.t, err)
	rdb := redis.NewClient(opts)
	defer func() { _ = rdb.Close() }()
	require.NoError(c.t, rdb.FlushDB(c.ctx).Err())
}

func rowsOf(t *testing.T, a response, list string) []map[string]any {
	t.Helper()
	var body map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(a.Body), &body))
	var rows []map[string]any
	require.NoError(t, json.Unmarshal(body[list], &rows))
	return rows
}

// withUnreadable is a cluster whose user ada has a readable session s-good and
// one, s-bad, whose name, question and answer no key opens.
func withUnreadable(t *testing.T) *cluster {
	t.Helper()
	var s spoiler
	c := start(t, 2, s.see, quickSweeps)
	d := c.device("ada", "", c.podURL(0))
	for _, session := range []string{"s-good", "s-bad"} {
		c.answered(d, session, c.say(d, session, "walnut one [[words=3]]"))
		c.answered(d, session, c.say(d, session, "walnut two [[words=3]]"))
	}
	s.spoil(t, "sessions", "name", "s-bad", 0)
	s.spoil(t, "messages", "box", "s-bad", 1)
	s.spoil(t, "messages", "box", "s-bad", 2)
	c.forgetCopies()
	return c
}

func TestUnreadable_NoListFailsForARecord(t *testing.T) {
	c := withUnreadable(t)
	ada, eve := c.as("", "ada"), c.as("", "eve", "admin")
	for _, list := range []response{
		ada.want(http.StatusOK, http.MethodGet, "/sessions", ""),
		eve.want(http.StatusOK, http.MethodGet, "/admin/sessions", ""),
		eve.want(http.StatusOK, http.MethodGet, "/admin/users/ada/sessions", ""),
	} {
		rows := rowsOf(t, list, "sessions")
		require.Len(t, rows, 2)
		for _, row := range rows {
			if row["id"] == "s-bad" {
				assert.Equal(t, true, row["unreadable"])
				assert.Empty(t, row["name"])
			} else {
				assert.NotContains(t, row, "unreadable")
				assert.NotEmpty(t, row["name"])
			}
		}
	}
	for _, page := range []response{
		ada.want(http.StatusOK, http.MethodGet, "/sessions/s-bad", ""),
		ada.want(http.StatusOK, http.MethodGet, "/sessions/s-bad/export?format=json", ""),
		eve.want(http.StatusOK, http.MethodGet, "/admin/sessions/s-bad", ""),
	} {
		assert.Equal(t, true, page.field(t, "unreadable"))
		rows := rowsOf(t, page, "messages")
		require.Len(t, rows, 4)
		for i, row := range rows {
			if i < 2 {
				assert.Equal(t, true, row["unreadable"])
				assert.Empty(t, row["content"])
			} else {
				assert.NotContains(t, row, "unreadable")
				assert.NotEmpty(t, row["content"])
			}
		}
	}
	ada.want(http.StatusOK, http.MethodGet, "/sessions/s-bad/export?format=markdown", "")
	found := eve.want(http.StatusOK, http.MethodGet, "/admin/search?q=walnut", "")
	assert.Len(t, rowsOf(t, found, "results"), 3, "what can be read is found")
	eve.want(http.StatusOK, http.MethodGet, "/admin/metrics", "")
	shared := ada.want(http.StatusOK, http.MethodPost, "/sessions/s-bad/share", "")
	token, _ := shared.field(t, "share_token").(string)
	assert.Equal(t, true, rowsOf(t, c.as("", "ada").want(http.StatusOK, http.MethodGet, "/shared/"+token, ""), "messages")[0]["unreadable"])
	counted := c.as("", "ada").want(http.StatusOK, http.MethodGet, "/metrics/prometheus", "").Body
	assert.Contains(t, counted, "chat_history_decrypt_failures_total ")
	assert.NotContains(t, counted, "chat_history_decrypt_failures_total 0\n")
}

func TestUnreadable_ResumesAndGoesOn(t *testing.T) {
	c := withUnreadable(t)
	d := c.device("ada", "s-bad", c.podURL(1))
	c.wait(d, "all of the session", func(tr *client.Tracker) bool { s := tr.Session("s-bad"); return s != nil && s.LastSeq == 4 })
	marked := map[int64]bool{}
	for _, e := range d.Transcript() {
		if e.Act == client.ActReceived && e.Frame.SessionID == "s-bad" && e.Frame.Seq > 0 && e.Frame.Type != client.TypeResumed {
			marked[e.Frame.Seq] = e.Frame.Metadata["unreadable"] == "true"
			assert.Equal(t, marked[e.Frame.Seq], e.Frame.Content == "")
		}
	}
	assert.Equal(t, map[int64]bool{1: true, 2: true, 3: false, 4: false}, marked)
	id := c.say(d, "s-bad", "walnut three [[words=3]]")
	assert.EqualValues(t, 5, c.acked(d, "s-bad", id))
	assert.NotEmpty(t, c.answered(d, "s-bad", id))
	d.View(func(tr *client.Tracker) { assert.Empty(t, tr.Violations) })
}

func TestUnreadable_IsErasedWithItsPerson(t *testing.T) {
	c := withUnreadable(t)
	ada, eve := c.as("", "ada"), c.as("", "eve", "admin")
	ada.want(http.StatusOK, http.MethodDelete, "/sessions/s-bad", "")
	ada.want(http.StatusNotFound, http.MethodGet, "/sessions/s-bad", "")
	assert.Len(t, rowsOf(t, ada.want(http.StatusOK, http.MethodGet, "/sessions", ""), "sessions"), 1)
	eve.want(http.StatusOK, http.MethodDelete, "/admin/users/ada", "")
	assert.Empty(t, rowsOf(t, eve.want(http.StatusOK, http.MethodGet, "/admin/sessions", ""), "sessions"))
}

// spoiltQuestions has questions that say so be unreadable when they are claimed.
type spoiltQuestions struct{ app.TurnStore }

func (s spoiltQuestions) ClaimTurn(ctx context.Context, k chatbox.SessionKey, seq int64) (chatbox.Event, error) {
	e, err := s.TurnStore.ClaimTurn(ctx, k, seq)
	if strings.Contains(e.Content, "spoil") {
		e.Content, e.Unreadable = "", true
	}
	return e, err
}

func TestUnreadable_AQuestionFailsOnceAndTheNextIsAnswered(t *testing.T) {
	c := start(t, 2, func(cfg *devstack.Config) {
		cfg.Watch = func(s app.Stores) app.Stores {
			s.Turns = spoiltQuestions{s.Turns}
			return s
		}
	})
	d := c.device("ada", "s-1", c.podURL(0))
	bad := c.say(d, "s-1", "spoil this")
	good := c.say(d, "s-1", "and this? [[words=3]]")
	assert.NotEmpty(t, c.answered(d, "s-1", good))
	var codes []string
	for _, e := range d.Transcript() {
		if e.Act == client.ActReceived && e.Frame.Error != nil {
			codes = append(codes, e.Frame.Error.Code)
			assert.Equal(t, bad, e.Frame.Metadata["reply_to"])
			assert.False(t, e.Frame.Error.Recoverable)
		}
	}
	assert.Equal(t, []string{"DATABASE_ERROR"}, codes)
}
