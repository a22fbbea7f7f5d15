//go:build integration

package integration

import (
	"fmt"
	"os"
	"testing"
	"time"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/persistence"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

// labelled is scaleSession with a holder on one of 500, and one of 200 that
// waits for a person.
func labelled(i int, now time.Time) bson.D {
	doc := scaleSession(i, now)
	state := doc[len(doc)-1].Value.(bson.D)
	if i%500 == 3 {
		state = append(state, bson.E{Key: "holder", Value: fmt.Sprint("staff-", i/500%5)})
	}
	if i%200 == 7 {
		state = append(state, bson.E{Key: "help_pending", Value: true},
			bson.E{Key: "waiting_since", Value: primitive.NewDateTimeFromTime(now.Add(-time.Duration(i) * time.Second))})
	}
	doc[len(doc)-1].Value = state
	return doc
}

// putLabels tags one session of 10 and one of 1,000, and assigns one of 50, to
// one of five.
func putLabels(t *testing.T, s *persistence.Store, sessions int) {
	t.Helper()
	for i := range sessions {
		k := chatbox.SessionKey{Tenant: scaleTenant, ID: fmt.Sprint("s", i)}
		switch {
		case i%1000 == 0:
			require.NoError(t, s.Sessions().SetTags(t.Context(), k, []string{"rare", "common"}))
		case i%10 == 0:
			require.NoError(t, s.Sessions().SetTags(t.Context(), k, []string{"common"}))
		}
		if i%50 == 1 {
			require.NoError(t, s.Sessions().Assign(t.Context(), k, chatbox.Assignee{ID: fmt.Sprint("staff-", i/50%5)}))
		}
	}
}

// TestLabels_ByIndex asks the server how it runs the very finds that lists by
// tag, colleague and waiting time send. CHATBOX_TEST_SCALE makes the sessions
// 50,000 and shows what the lists take.
func TestLabels_ByIndex(t *testing.T) {
	sessions, tries := 4000, 1
	if os.Getenv("CHATBOX_TEST_SCALE") != "" {
		sessions, tries = 50_000, 40
	}
	db := mongoDatabase(t)
	cfg := mongoConfig(t, db)
	seen := &commands{}
	seen.take()
	cfg.Monitor = seen.monitor()
	s := openStore(t, cfg)
	now := time.Now().UTC().Truncate(time.Minute)
	fillCollection(t, db.Collection("sessions"), sessions, func(i int) bson.D { return labelled(i, now) })
	putLabels(t, s, sessions)

	for _, c := range []struct {
		what, index string
		q           helpdesk.StaffQuery
		found       int
	}{
		{"a tag of one in 1,000", "tenant_tag", helpdesk.StaffQuery{Tags: []string{"rare"}}, sessions / 1000},
		{"a tag of one in 10", "tenant_tag", helpdesk.StaffQuery{Tags: []string{"common"}}, sessions / 10},
		{"both", "tenant_tag", helpdesk.StaffQuery{Tags: []string{"common", "rare"}}, sessions / 1000},
		{"a tag in another order", "tenant_tag", helpdesk.StaffQuery{Tags: []string{"rare"}, Sort: helpdesk.SortTokens}, sessions / 1000},
		{"assigned to one", "tenant_assigned", helpdesk.StaffQuery{Assigned: "staff-2"}, sessions / 250},
		{"held by one", "tenant_holder", helpdesk.StaffQuery{HeldBy: "staff-2"}, sessions / 2500},
		{"the queue", "tenant_waiting", helpdesk.StaffQuery{Sort: helpdesk.SortWaiting}, sessions / 200},
	} {
		q := c.q
		q.Tenant, q.Desc, q.Limit = scaleTenant, q.Sort != helpdesk.SortWaiting, 50
		if q.Sort == "" {
			q.Sort = helpdesk.SortActivity
		}
		var page helpdesk.StaffPage
		list := func() {
			var err error
			page, err = s.Sessions().All(t.Context(), q)
			require.NoError(t, err)
		}
		measure(t, c.what, tries, list)
		assert.InDelta(t, c.found, page.Total, 1, c.what)
		plan := planOf(t, db, seen.lastFind())
		assert.Contains(t, plan, `"`+c.index, c.what)
		assertNoScan(t, plan, c.what)
		if q.Cursor = page.Next; q.Cursor != "" {
			measure(t, "  its second page", tries, list)
		}
	}
}
