package record

import (
	"fmt"
	"slices"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/persistence/internal/words"
)

// MaxWords is how many different words of one message can be found: the first
// ones. Later words of a longer message cannot be found.
const MaxWords = 500

// Purposes of tokens. A word has different tokens in messages and in names.
const (
	PurposeMessage = "message"
	PurposeName    = "name"
)

// Blind computes tokens of words; see persistence.Keyring.
type Blind interface {
	Tokens(tenant, purpose string, words []string) ([]int64, error)
	TokensOfAll(tenant, purpose string, words []string) ([][]int64, error)
}

// MessageTokens returns the tokens of the event's text, or none if it has no
// text.
func MessageTokens(b Blind, e chatbox.Event) ([]int64, error) {
	if !helpdesk.Findable(e) {
		return nil, nil
	}
	return tokens(b, e.Session.Tenant, PurposeMessage, e.Content)
}

// NameTokens returns the tokens of a session's name.
func NameTokens(b Blind, k chatbox.SessionKey, name string) ([]int64, error) {
	return tokens(b, k.Tenant, PurposeName, name)
}

// tokens are sorted by value, so that their order does not reveal the order of
// the words.
func tokens(b Blind, tenant, purpose, text string) ([]int64, error) {
	found := words.Distinct(text, MaxWords)
	if len(found) == 0 {
		return nil, nil
	}
	out, err := b.Tokens(tenant, purpose, found)
	if err != nil {
		return nil, fmt.Errorf("record: index a %s: %w", purpose, err)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Marker computes the marks and tokens of a query.
type Marker interface {
	Finder
	Blind
}

// Asked returns the query with the marks of its tags and the tokens of its name.
func Asked(f Marker, q helpdesk.StaffQuery, wordsOff bool) (StaffQuery, error) {
	out := Marked(f, q)
	if q.Name == "" {
		return out, nil
	}
	if wordsOff {
		return out, WordsOff("name")
	}
	asked, err := words.Parse("name", q.Name)
	if err != nil {
		return out, err
	}
	out.Names, err = f.TokensOfAll(q.Tenant, PurposeName, asked.Words())
	return out, err
}

// HasName reports whether the session's name contains what the query asks for.
// Tokens only prove that it has the words.
func HasName(q helpdesk.StaffQuery, s chatbox.Session) bool {
	if q.Name == "" {
		return true
	}
	asked, err := words.Parse("name", q.Name)
	return err == nil && asked.In(s.Name)
}

// WordsOff is the error for a query by words if words are not indexed.
func WordsOff(field string) error {
	return chatbox.Invalid(field, "words are not indexed here: SEARCH_INDEX is off")
}
