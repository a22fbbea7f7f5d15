package llm

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"chatbox/providers/internal/vendorapi"
)

func TestFailure_MessagesAreForPeople(t *testing.T) {
	for _, f := range []vendorapi.Failure{{}, {Status: 401}, {Status: 429}, {Status: 503}, {Declared: true}, {Kind: "content_filter"}, {Why: vendorapi.ReasonConnection}, {Empty: true}} {
		assert.NotEmpty(t, messageOf(&f))
		assert.NotRegexp(t, `[0-9_]`, messageOf(&f))
	}
}
