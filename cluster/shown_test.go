package cluster

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestShown_BeginsWithWhatWasReceived(t *testing.T) {
	s := Shown{}.Extend("Hello ").Extend("wörld")
	assert.Equal(t, Shown{}.Extend("Hello wörld"), s, "the pieces do not matter")
	assert.Equal(t, len("Hello wörld"), s.Bytes)
	for text, begins := range map[string]bool{
		"Hello wörld": true, "Hello wörld, and more": true,
		"Hello wörl": false, "": false, "Hello world": false, "hello wörld, and more": false,
	} {
		assert.Equal(t, begins, s.Begins(text), "%q", text)
	}
	assert.True(t, Shown{}.Begins(""))
	assert.True(t, Shown{}.Begins("anything"), "nothing was received")
}
