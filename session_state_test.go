package chatbox

import (
	"testing"
	"time"
)

// fold applies events of the types in order.
func fold(types ...Type) State {
	var s State
	for i, typ := range types {
		s = s.Apply(Event{
			Seq: int64(i + 1), Type: typ, Sender: SenderUser, Time: time.UnixMilli(int64(i)), Metadata: map[string]string{MetaAdminID: "bob"},
		})
	}
	return s
}

func TestApply_HelpWaitsUntilSomebodyComes(t *testing.T) {
	for name, tc := range map[string]struct {
		types              []Type
		requested, pending bool
	}{
		"asked":                 {[]Type{TypeHelpRequest}, true, true},
		"asked twice":           {[]Type{TypeHelpRequest, TypeHelpRequest}, true, true},
		"somebody came":         {[]Type{TypeHelpRequest, TypeAdminJoin}, true, false},
		"asked while held":      {[]Type{TypeAdminJoin, TypeHelpRequest}, true, false},
		"held, and left since":  {[]Type{TypeAdminJoin, TypeHelpRequest, TypeAdminLeave}, true, false},
		"asked again after all": {[]Type{TypeHelpRequest, TypeAdminJoin, TypeAdminLeave, TypeHelpRequest}, true, true},
		"ended without":         {[]Type{TypeHelpRequest, TypeSessionEnded}, true, false},
		"never asked":           {[]Type{TypeUserMessage, TypeAdminJoin, TypeAdminLeave}, false, false},
	} {
		if s := fold(tc.types...); s.HelpRequested != tc.requested || s.HelpPending != tc.pending {
			t.Errorf("%s: requested %t, pending %t", name, s.HelpRequested, s.HelpPending)
		}
	}
}
