package chatbox_test

import (
	"testing"
	"time"

	"chatbox"

	"github.com/stretchr/testify/assert"
)

// The credential or the time of the session decides: clocks of pods and issuers
// differ, and a slow pod begins a session late.
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
		"a credential of an issuer with a fast clock":    {at.Add(-2 * time.Second), at.Add(30 * time.Second), true},
		"a credential of the far future":                 {at.Add(-time.Hour), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), true},
		"unknown credential, before":                     {at, time.Time{}, true},
		"unknown credential, on a pod with a fast clock": {at.Add(40 * time.Second), time.Time{}, true},
		"unknown credential, long afterwards":            {at.Add(2 * time.Minute), time.Time{}, false},
	} {
		assert.Equal(t, tt.want, e.Covers(chatbox.Session{CreatedAt: tt.created, IssuedAt: tt.issued}), name)
	}
}
