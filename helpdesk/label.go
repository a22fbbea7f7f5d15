package helpdesk

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"chatbox"
)

// Bounds of the labels that staff puts on sessions. Lengths are in code points.
const (
	MaxTags      = 20  // per session
	MaxTag       = 40  // length
	MaxAdminName = 200 // length
	MaxTagsShown = 500 // per tenant
)

// TagCount is a tag and the number of sessions that have it.
type TagCount struct {
	Tag      string
	Sessions int64
}

// Workload is the number of sessions of a member of staff.
type Workload struct {
	Held            int64
	HeldUnread      int64 // of those: with unanswered messages
	Assigned        int64 // that have not ended
	AssignedWaiting int64 // of those: waiting for a person
}

// Counters are the numbers of a staff member's overview.
type Counters struct {
	Workload

	Waiting int64     // sessions that wait for a person, at most MaxCounted
	Oldest  string    // the session that waits longest; empty: none waits
	Since   time.Time // the beginning of its wait; zero: unknown
}

// CheckTags returns the tags in their order, trimmed. If any tag is invalid,
// it returns an error for the field tags.
func CheckTags(tags []string) ([]string, error) {
	const field = "tags"
	if len(tags) > MaxTags {
		return nil, chatbox.Invalid(field, "are more than 20")
	}
	out := make([]string, len(tags))
	seen := make(map[string]bool, len(tags))
	for i, tag := range tags {
		tag, err := CheckTag(field, tag)
		if err != nil {
			return nil, err
		}
		folded := FoldTag(tag)
		if seen[folded] {
			return nil, chatbox.Invalid(field, "has a tag twice; case makes no difference")
		}
		out[i], seen[folded] = tag, true
	}
	return out, nil
}

// CheckTag returns the tag, trimmed. An error names field.
func CheckTag(field, tag string) (string, error) {
	tag = strings.TrimSpace(tag)
	switch {
	case tag == "":
		return "", chatbox.Invalid(field, "has an empty tag")
	case !plainLine(tag):
		return "", chatbox.Invalid(field, "has control characters or is not valid UTF-8")
	case utf8.RuneCountInString(tag) > MaxTag:
		return "", chatbox.Invalid(field, "has a tag longer than 40 characters")
	}
	return tag, nil
}

// CheckAssignee returns the assignee with the name trimmed. The error names the
// invalid field.
func CheckAssignee(a chatbox.Assignee) (chatbox.Assignee, error) {
	a.Name = strings.TrimSpace(a.Name)
	switch {
	case a.ID == "":
		return a, chatbox.Missing(chatbox.MetaAdminID)
	case !chatbox.ValidUserID(a.ID):
		return a, chatbox.Invalid(chatbox.MetaAdminID, "must name a colleague")
	case !plainLine(a.Name):
		return a, chatbox.Invalid(chatbox.MetaAdminName, "has control characters or is not valid UTF-8")
	case utf8.RuneCountInString(a.Name) > MaxAdminName:
		return a, chatbox.Invalid(chatbox.MetaAdminName, "is longer than 200 characters")
	}
	return a, nil
}

// FoldTag returns the form in which tags are compared: tags that differ only
// in case are equal.
func FoldTag(tag string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
			least = min(least, o)
		}
		return least
	}, tag)
}

func plainLine(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
	})
}
