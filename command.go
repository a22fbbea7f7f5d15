package chatbox

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxContent is the maximal size of one client message, in bytes.
const MaxContent = 32 << 10

// MaxMessageFiles is the maximal number of files of one message.
const MaxMessageFiles = 10

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
		return validateFileIDs(c.FileIDs)
	case TypeFileUpload, TypeVoiceMessage:
		return c.validateFile()
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

func validateFileIDs(ids []string) error {
	if len(ids) > MaxMessageFiles {
		return TooManyFiles()
	}
	for i, id := range ids {
		switch {
		case id == "":
			return Invalid("file_ids", "has an empty id")
		case slices.Contains(ids[:i], id):
			return Invalid("file_ids", "has an id twice")
		}
	}
	return nil
}

// TooManyFiles rejects a message with more than MaxMessageFiles files.
func TooManyFiles() *Error { return Invalid("file_ids", "has more than 10 ids") }

// validateFile checks the file of an upload or a recording: an uploaded file, or,
// without one, the address of a file elsewhere.
func (c Command) validateFile() error {
	switch {
	case c.FileURL == "" && c.FileID == "":
		return Missing("file_id")
	case c.FileURL != "" && !validLink(c.FileURL):
		return Invalid("file_url", "must be an https address")
	}
	return nil
}

// maxLink is the maximal length of the address of a file elsewhere, in bytes.
const maxLink = 4096

// validLink reports whether clients may show the address as a link. Pods do not
// fetch it, unless the operator has chosen so.
func validLink(address string) bool {
	if len(address) > maxLink || !utf8.ValidString(address) || strings.ContainsFunc(address, func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || strings.ContainsRune("\\\"<>`", r)
	}) {
		return false
	}
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "https" && u.Hostname() != "" && u.User == nil
}

// ownAddress reports whether the address is the one that an upload returned for
// the file, perhaps with an origin.
func ownAddress(address, id string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "" || u.Scheme == "http" || u.Scheme == "https") && strings.HasSuffix(u.Path, "/files/"+id)
}

// Files returns the ids of the files of the command, and the field that names
// them.
func (c Command) Files() (ids []string, field string) {
	if c.Type == TypeUserMessage {
		return c.FileIDs, "file_ids"
	}
	if c.FileID == "" {
		return nil, "file_id"
	}
	return []string{c.FileID}, "file_id"
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
// which other clients fetch. A client may repeat the address of an uploaded file,
// which follows from its id. Clean changes nothing else; indentation and markup
// stay as typed.
func (c Command) Clean() Command {
	c.Content = strings.ReplaceAll(c.Content, "\x00", "")
	if c.Type != TypeFileUpload && c.Type != TypeVoiceMessage {
		c.FileID, c.FileURL = "", ""
	}
	if c.Type != TypeUserMessage || len(c.FileIDs) == 0 {
		c.FileIDs = nil
	}
	if c.FileID != "" && (ownAddress(c.FileURL, c.FileID) || validLink(c.FileURL)) {
		c.FileURL = ""
	}
	return c
}
