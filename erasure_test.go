package chatbox_test

import (
	"testing"
	"time"

	"chatbox"

	"github.com/stretchr/testify/assert"
)

// The credential decides: clocks of pods differ, and a slow pod begins a session
// late.
func TestErasing_Covers(t *testing.T) {
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	e := chatbox.Erasing{At: at}
	for name, tt := range map[string]struct {
		created, issued time.Time
		want            bool
	}{
		"before":                      {at.Add(-time.Hour), at.Add(-2 * time.Hour), true},
		"a fast clock, or a slow pod": {at.Add(time.Minute), at.Add(-time.Second), true},
		"a new credential":            {at.Add(time.Minute), at, false},
		"a new credential on a pod with a slow clock": {at.Add(-time.Minute), at.Add(time.Second), false},
		"of an older version, before":                 {at, time.Time{}, true},
		"of an older version, afterwards":             {at.Add(time.Millisecond), time.Time{}, false},
	} {
		assert.Equal(t, tt.want, e.Covers(chatbox.Session{CreatedAt: tt.created, IssuedAt: tt.issued}), name)
	}
}
