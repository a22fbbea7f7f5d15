package chatbox_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"chatbox"
)

func TestRefusalOf(t *testing.T) {
	help := &chatbox.Error{Code: chatbox.RateLimited, Refusal: chatbox.RefusedHelpRate}
	for want, err := range map[chatbox.Refusal]error{
		"":                         chatbox.Invalid("x", "is wrong"),
		chatbox.RefusedCredential:  chatbox.Unauthenticated,
		chatbox.RefusedExpired:     chatbox.NewError(chatbox.TokenExpired, "", nil),
		chatbox.RefusedHelpRate:    chatbox.NewError(chatbox.RateLimited, "said anew", help),
		chatbox.RefusedRate:        chatbox.NewError(chatbox.RateLimited, "", errors.New("cause")),
		chatbox.RefusedUnavailable: chatbox.NewError(chatbox.Unavailable, "", nil),
		chatbox.RefusedHistory:     chatbox.StoreFailed,
		chatbox.RefusedSize:        chatbox.TooLarge,
		chatbox.RefusedDraining:    chatbox.Draining,
		chatbox.RefusedPermission:  chatbox.PermissionDenied,
	} {
		assert.Equal(t, want, chatbox.RefusalOf(err), "%v", err)
	}
	assert.Empty(t, chatbox.RefusalOf(nil))
}
