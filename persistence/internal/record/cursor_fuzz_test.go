package record

import (
	"errors"
	"testing"

	"chatbox"
	"chatbox/test/fuzz"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// FuzzParseCursor: ParseCursor accepts exactly the output of String.
func FuzzParseCursor(f *testing.F) {
	good := Cursor{Activity: 1_750_000_000_123, ID: "s-1"}.String()
	for _, seed := range []string{"", good, good + "=", good + "A", "fHx8", "AAAA", "../..", "\x00"} {
		f.Add(seed)
	}
	fuzz.Run(f, func(t fuzz.T, s string) {
		c, err := ParseCursor(s)
		if err != nil {
			e, ok := errors.AsType[*chatbox.Error](err)
			require.True(t, ok)
			assert.Equal(t, "cursor", e.Field)
			return
		}
		assert.Equal(t, s, c.String())
		assert.True(t, chatbox.ValidSessionID(c.ID))
	})
}
