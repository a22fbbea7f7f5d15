package chatbox_test

import (
	"errors"
	"strings"
	"testing"

	"chatbox"
)

func TestCheckName(t *testing.T) {
	for given, want := range map[string]string{
		"plain":                        "plain",
		"  Grüße 👩‍👩‍👧 <b>.x  ":        "Grüße 👩‍👩‍👧 <b>.x",
		strings.Repeat("😀", 200):       strings.Repeat("😀", 200),
		strings.Repeat("a", 200) + " ": strings.Repeat("a", 200),
	} {
		got, err := chatbox.CheckName(given)
		if err != nil || got != want {
			t.Errorf("%q: %q, %v", given, got, err)
		}
	}
	for _, bad := range []string{"", " \n\t", "a\nb", "a\x00b", "a\u007f", "a\u2028b", "a\xffb", strings.Repeat("😀", 201)} {
		_, err := chatbox.CheckName(bad)
		if e, ok := errors.AsType[*chatbox.Error](err); !ok || e.Code != chatbox.InvalidArgument || e.Field != "name" {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
