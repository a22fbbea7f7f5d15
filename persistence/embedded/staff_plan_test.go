package embedded_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatbox/helpdesk"
	"chatbox/persistence/embedded"
	"chatbox/persistence/internal/record"

	"github.com/stretchr/testify/assert"
)

// Every order of staff's list is served by an index, in both directions, on the
// first page and on one by cursor: nothing is sorted or scanned.
func TestStore_StaffReadsByIndex(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "chat.db"), keyring(t))
	for _, by := range helpdesk.SessionSorts() {
		for _, desc := range []bool{false, true} {
			for _, after := range []*record.StaffCursor{nil, {Sort: by, Desc: desc, ID: "s"}} {
				q := helpdesk.StaffQuery{Tenant: "t", Sort: by, Desc: desc, Limit: 50}
				plan := strings.Join(embedded.StaffPlan(t, s, q, after), "; ")
				index := strings.Replace("staff_"+string(by), "message_count", "messages", 1)
				assert.True(t, strings.HasPrefix(plan, "SEARCH sessions USING INDEX "+index+" (tenant=?"), "%s: %s", by, plan)
				assert.NotContains(t, plan, "TEMP B-TREE", by)
				assert.NotContains(t, plan, "SCAN", by)
			}
		}
	}
	for _, text := range []string{"queue", "waiting"} {
		plan := strings.Join(embedded.Plan(t, s, text), "; ")
		assert.Contains(t, plan, "SEARCH sessions USING INDEX staff_waiting_since (tenant=?", text)
		assert.NotContains(t, plan, "TEMP B-TREE", text)
	}
	for text, index := range map[string]string{
		"held by":  "SEARCH sessions USING INDEX staff_holder (tenant=? AND holder=?)",
		"assigned": "SEARCH sessions USING COVERING INDEX staff_assigned_open (tenant=? AND assigned=? AND ended=? AND erased=?)",
		"tags":     "SEARCH t USING COVERING INDEX session_tags_mark (tenant=?)",
	} {
		assert.Contains(t, strings.Join(embedded.Plan(t, s, text), "; "), index, text)
	}
	for index, q := range map[string]helpdesk.StaffQuery{
		"staff_assigned (tenant=? AND assigned=?": {Assigned: "bob"},
		"staff_holder (tenant=? AND holder=?":     {HeldBy: "bob"},
		"staff_last_activity (tenant=?":           {Tags: []string{"a", "b"}},
	} {
		for _, after := range []*record.StaffCursor{nil, {Sort: helpdesk.SortActivity, Desc: true, ID: "s"}} {
			q.Tenant, q.Sort, q.Desc, q.Limit = "t", helpdesk.SortActivity, true, 50
			plan := strings.Join(embedded.StaffPlan(t, s, q, after), "; ")
			assert.True(t, strings.HasPrefix(plan, "SEARCH sessions USING INDEX "+index), "%s: %s", index, plan)
			assert.NotContains(t, plan, "TEMP B-TREE", index)
			assert.NotContains(t, plan, "SCAN", index)
		}
	}
	assert.Equal(t, []string{"SEARCH sessions USING INDEX staff_start_time (tenant=? AND created>? AND created<?)"},
		embedded.SummaryPlan(t, s, time.UnixMilli(1), time.UnixMilli(2)))
	assert.Equal(t, []string{"SEARCH audit USING PRIMARY KEY (tenant=? AND n>? AND n<?)"}, embedded.AuditPlan(t, s))
}
