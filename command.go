package chatbox

import (
	"strings"
	"unicode/utf8"
)

// MaxContent is how much one message of a client may say, in bytes.
const MaxContent = 32 << 10

// Limits of metadata (docs/protocol/contract.md), in characters where they are of text.
const (
	maxMetadataKeys  = 32
	maxMetadataKey   = 64
	maxMetadataValue = 1000
)

// Command is what a client asks for that would become a durable event.
type Command struct {
	Type      Type
	ID        string // empty: the client did not name it
	SessionID string // empty: the socket's current session
	Content   string
	ModelID   string
	FileID    string
	FileURL   string
	Metadata  map[string]string
}

// Validate checks what can be checked without knowing the session; the error
// names the first offending field.
func (c Command) Validate() error {
	switch {
	case c.ID != "" && !ValidMessageID(c.ID):
		return Invalid("id", "must be 1-64 of A-Z a-z 0-9 . _ : - and not begin with ans_")
	case c.SessionID != "" && !ValidSessionID(c.SessionID):
		return BadSessionID()
	case len(c.Content) > MaxContent:
		return Invalid("content", "is longer than 32 KiB")
	case !utf8.ValidString(c.Content):
		return Invalid("content", "is not valid UTF-8")
	}
	if err := c.validateByType(); err != nil {
		return err
	}
	return validateMetadata(c.Metadata)
}

func (c Command) validateByType() error {
	switch c.Type {
	case TypeUserMessage:
		if c.Content == "" {
			return Missing("content")
		}
	case TypeModelSelect:
		if c.ModelID == "" {
			return Missing("model_id")
		}
	case TypeHelpRequest: // says enough by itself
	default:
		return Invalid("type", "is not something a client may send")
	}
	return nil
}

func validateMetadata(m map[string]string) error {
	if len(m) > maxMetadataKeys {
		return Invalid("metadata", "has more than 32 keys")
	}
	for k, v := range m {
		if utf8.RuneCountInString(k) > maxMetadataKey || utf8.RuneCountInString(v) > maxMetadataValue {
			return Invalid("metadata", "has a key longer than 64 or a value longer than 1,000")
		}
	}
	return nil
}

// Clean removes what no store or screen can keep, NUL, and what is no part of
// the type: only files have a file's address, which others are told to fetch.
// Nothing else is touched; indentation and markup arrive as they were typed.
func (c Command) Clean() Command {
	c.Content = strings.ReplaceAll(c.Content, "\x00", "")
	if c.Type != TypeFileUpload && c.Type != TypeVoiceMessage {
		c.FileID, c.FileURL = "", ""
	}
	return c
}
