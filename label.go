package chatbox

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of the labels that staff puts on sessions. Lengths are in code points.
const (
	MaxTags      = 20  // of one session
	MaxTag       = 40  // length
	MaxAdminName = 200 // length
	MaxTagsShown = 500 // of a tenant
)

// Assignee is the member of staff who is to look after a session; it is empty
// where that is nobody. It gives no right and silences no model.
type Assignee struct {
	ID   string
	Name string // may be empty
}

// TagCount is a tag in use and how many sessions have it.
type TagCount struct {
	Tag      string
	Sessions int64
}

// Workload is how many sessions are a member of staff's affair.
type Workload struct {
	Held            int64
	HeldUnread      int64 // of those: with messages that nobody has answered
	Assigned        int64 // that have not ended
	AssignedWaiting int64 // of those: waiting for a person
}

// Counters are what a member of staff sees at a glance.
type Counters struct {
	Workload

	Waiting int64     // sessions that wait for a person, up to MaxCounted
	Oldest  string    // the session that waits longest; empty: none waits
	Since   time.Time // when its wait began; zero: not known
}

// CheckTags returns the tags without the white space around them, in their
// order. All are refused where one is, naming tags.
func CheckTags(tags []string) ([]string, error) {
	const field = "tags"
	if len(tags) > MaxTags {
		return nil, Invalid(field, "are more than 20")
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
			return nil, Invalid(field, "has a tag twice; case makes no difference")
		}
		out[i], seen[folded] = tag, true
	}
	return out, nil
}

// CheckTag returns the tag without the white space around it; field is what a
// refusal names.
func CheckTag(field, tag string) (string, error) {
	tag = strings.TrimSpace(tag)
	switch {
	case tag == "":
		return "", Invalid(field, "has an empty tag")
	case !plainLine(tag):
		return "", Invalid(field, "has control characters or is not valid UTF-8")
	case utf8.RuneCountInString(tag) > MaxTag:
		return "", Invalid(field, "has a tag longer than 40 characters")
	}
	return tag, nil
}

// Has reports whether the assignee is somebody.
func (a Assignee) Has() bool { return a.ID != "" }

// Check returns the assignee without the white space around its name, or names
// what cannot be a colleague's.
func (a Assignee) Check() (Assignee, error) {
	a.Name = strings.TrimSpace(a.Name)
	switch {
	case a.ID == "":
		return a, Missing(MetaAdminID)
	case !ValidUserID(a.ID):
		return a, Invalid(MetaAdminID, "must name a colleague")
	case !plainLine(a.Name):
		return a, Invalid(MetaAdminName, "has control characters or is not valid UTF-8")
	case utf8.RuneCountInString(a.Name) > MaxAdminName:
		return a, Invalid(MetaAdminName, "is longer than 200 characters")
	}
	return a, nil
}

// FoldTag is the tag as it is compared: two tags that differ in case only are
// the same.
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
