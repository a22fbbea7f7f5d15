package record

import (
	"fmt"
	"slices"

	"chatbox"
	"chatbox/persistence/internal/words"
)

// MaxWords is how many different words of one message can be found, its first
// ones. A longer one keeps its others to itself.
const MaxWords = 500

// What tokens are of: a word has one in messages and another in names.
const (
	PurposeMessage = "message"
	PurposeName    = "name"
)

// Blind makes tokens of words, as persistence.Keyring does.
type Blind interface {
	Tokens(tenant, purpose string, words []string) ([]int64, error)
	TokensOfAll(tenant, purpose string, words []string) ([][]int64, error)
}

// MessageTokens are those of what was said, none where nothing was.
func MessageTokens(b Blind, e chatbox.Event) ([]int64, error) {
	if !e.Findable() {
		return nil, nil
	}
	return tokens(b, e.Session.Tenant, PurposeMessage, e.Content)
}

// NameTokens are those of a session's name.
func NameTokens(b Blind, k chatbox.SessionKey, name string) ([]int64, error) {
	return tokens(b, k.Tenant, PurposeName, name)
}

// tokens come in the order of their values, which says nothing of the words'.
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

// Marker makes what a query is answered by.
type Marker interface {
	Finder
	Blind
}

// Asked is the query with the marks of its tags and the tokens of its name.
func Asked(f Marker, q chatbox.StaffQuery, wordsOff bool) (StaffQuery, error) {
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

// HasName reports whether the session's name is what the query asks for: its
// tokens say no more than that it has the words.
func HasName(q chatbox.StaffQuery, s chatbox.Session) bool {
	if q.Name == "" {
		return true
	}
	asked, err := words.Parse("name", q.Name)
	return err == nil && asked.In(s.Name)
}

// WordsOff is the refusal of a query by words where none are indexed.
func WordsOff(field string) error {
	return chatbox.Invalid(field, "words are not indexed here: SEARCH_INDEX is off")
}
