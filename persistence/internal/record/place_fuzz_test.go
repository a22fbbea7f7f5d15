package record

import (
	"testing"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/test/fuzz"

	"github.com/stretchr/testify/require"
)

// FuzzParseSearchCursor: only the output of String is accepted, and ParseCursor
// does not accept it.
func FuzzParseSearchCursor(f *testing.F) {
	good := SearchCursor{Time: 1_750_000_000_123, Session: "s-1", Seq: 7, Passed: 20}.String()
	f.Add(good)
	f.Add(good + "=")
	f.Add(Cursor{Activity: 1, ID: "s-1"}.String())
	f.Add(StaffCursor{Sort: helpdesk.SortActivity, Desc: true, ID: "s-1"}.String())
	f.Add("e30")
	fuzz.Run(f, func(t fuzz.T, s string) {
		p, err := ParseSearchCursor(s)
		if err != nil {
			require.ErrorIs(t, err, chatbox.InvalidArgument)
			return
		}
		require.Equal(t, s, p.String())
		require.True(t, chatbox.ValidSessionID(p.Session))
		_, err = ParseCursor(s)
		require.Error(t, err)
		_, err = ParseStaffCursor(helpdesk.StaffQuery{Sort: helpdesk.SortActivity, Desc: true, Cursor: s})
		require.Error(t, err)
	})
}
