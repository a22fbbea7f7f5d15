package record

import (
	"testing"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/test/fuzz"

	"github.com/stretchr/testify/require"
)

// FuzzOtherCursors: what is taken for a place in a pile or in a list of staff's
// is exactly what was given out.
func FuzzOtherCursors(f *testing.F) {
	f.Add(CardCursor{Created: 1_750_000_000_123, ID: "c|1"}.String())
	f.Add(StaffCursor{Sort: helpdesk.SortActivity, Value: 7, ID: "s-1", Total: 20, More: true}.String())
	f.Add(StaffCursor{Sort: helpdesk.SortUser, Desc: true, Text: "é\u2028<", ID: "s-1", Of: FiltersOf(helpdesk.StaffQuery{})}.String())
	f.Add("")
	fuzz.Run(f, func(t fuzz.T, s string) {
		if c, err := ParseCardCursor(s); err != nil {
			require.ErrorIs(t, err, chatbox.InvalidArgument)
		} else if s != "" {
			require.Equal(t, s, c.String())
		}
		for _, q := range []helpdesk.StaffQuery{{Sort: helpdesk.SortActivity, Cursor: s}, {Sort: helpdesk.SortUser, Desc: true, Cursor: s}} {
			c, err := ParseStaffCursor(q)
			if err != nil {
				require.ErrorIs(t, err, chatbox.InvalidArgument)
				continue
			}
			require.Equal(t, s, c.String())
			require.True(t, chatbox.ValidSessionID(c.ID))
			require.Equal(t, q.Sort, c.Sort)
		}
	})
}
