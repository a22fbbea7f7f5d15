package chatbox

import (
	"strings"
	"unicode/utf8"
)

// MaxContent is the maximal size of one client message, in bytes.
const MaxContent = 32 << 10

// Limits of metadata (docs/protocol/contract.md); lengths are in characters.
const (
	maxMetadataKeys  = 32
	maxMetadataKey   = 64
	maxMetadataValue = 1000
)

// Command is a client's request for a durable event.
type Command struct {
	Type      Type
	ID        string // empty: the client gave none
	SessionID string // empty: the socket's current session
	Content   string
	ModelID   string
	FileID    string
	FileURL   string
	FileIDs   []string // files of a user message
	Metadata  map[string]string
}

// Validate checks the fields that need no knowledge of the session. The error
// names the first invalid field.
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
	case TypeHelpRequest: // needs no further field
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

// Clean removes NUL characters, which neither stores nor screens can handle,
// and fields that do not belong to the type: only files have a file address,
// which other clients fetch. It changes nothing else; indentation and markup
// stay as typed.
func (c Command) Clean() Command {
	c.Content = strings.ReplaceAll(c.Content, "\x00", "")
	if c.Type != TypeFileUpload && c.Type != TypeVoiceMessage {
		c.FileID, c.FileURL = "", ""
	}
	return c
}
