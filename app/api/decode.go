package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"chatbox"
)

// Names of the fields of clients' frames.
const (
	fieldType     = "type"
	fieldID       = "id"
	fieldSession  = "session_id"
	fieldSeq      = "seq"
	fieldContent  = "content"
	fieldModel    = "model_id"
	fieldFile     = "file_id"
	fieldFileURL  = "file_url"
	fieldFiles    = "file_ids"
	fieldMetadata = "metadata"
	fieldToken    = "token"
	fieldFrame    = "frame" // the whole frame, in errors
)

const maxMetadata = 32

// command is a client's frame as received. ID and SessionID are set even if the
// rest of the frame is refused, so that errors can name them.
type command struct {
	Type      string
	ID        string
	SessionID string
	Seq       *int64
	Content   string
	ModelID   string
	FileID    string
	FileURL   string
	FileIDs   []string
	Metadata  map[string]string
	Token     string // a credential: never shown, never logged
}

// echo returns the id and the session for an error frame, if they are well
// formed.
func (c command) echo() (id, sessionID string) {
	if chatbox.ValidMessageID(c.ID) {
		id = c.ID
	}
	if chatbox.ValidSessionID(c.SessionID) {
		sessionID = c.SessionID
	}
	return id, sessionID
}

// durable returns the command of a frame that becomes an event.
func (c command) durable() chatbox.Command {
	return chatbox.Command{
		Type: chatbox.Type(c.Type), ID: c.ID, SessionID: c.SessionID, Content: c.Content,
		ModelID: c.ModelID, FileID: c.FileID, FileURL: c.FileURL, FileIDs: c.FileIDs, Metadata: c.Metadata,
	}
}

// decode parses a client's frame: one JSON object whose names match
// docs/protocol/contract.md in case and are not repeated. Unknown fields, and
// fields that only the server sets (sender, timestamp, models, error), are
// ignored with any value. null means absent. The error names the first
// invalid field; the command has the fields that could be parsed.
func decode(b []byte) (command, error) {
	var c command
	err := eachMember(b, fieldFrame, c.set)
	if err == nil && c.Type == "" {
		err = chatbox.Missing(fieldType)
	}
	return c, err
}

// eachMember calls set with each member of a JSON object, and with the names seen
// before it. It returns an error about the whole object, or else the first error
// of set. After an error of set it still parses the rest.
func eachMember(b []byte, whole string, set func(name string, raw json.RawMessage, seen map[string]bool) error) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return chatbox.Invalid(whole, "is not a JSON object")
	}
	var first error
	seen := make(map[string]bool, 8)
	for dec.More() {
		name, raw, err := member(dec)
		if err != nil {
			return chatbox.Invalid(whole, "is not valid JSON")
		}
		if err := set(name, raw, seen); err != nil && first == nil {
			first = err
		}
	}
	if _, err := dec.Token(); err != nil {
		return chatbox.Invalid(whole, "is not valid JSON")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return chatbox.Invalid(whole, "holds more than one JSON object")
	}
	return first
}

// member parses the next name and value of an object. The library limits the
// depth of the value.
func member(dec *json.Decoder) (string, json.RawMessage, error) {
	t, err := dec.Token()
	if err != nil {
		return "", nil, err
	}
	name, ok := t.(string)
	if !ok {
		return "", nil, io.ErrUnexpectedEOF
	}
	var raw json.RawMessage
	err = dec.Decode(&raw)
	return name, raw, err
}

func (c *command) set(name string, raw json.RawMessage, seen map[string]bool) error {
	var into *string
	switch name {
	case fieldType:
		into = &c.Type
	case fieldID:
		into = &c.ID
	case fieldSession:
		into = &c.SessionID
	case fieldContent:
		into = &c.Content
	case fieldModel:
		into = &c.ModelID
	case fieldFile:
		into = &c.FileID
	case fieldFileURL:
		into = &c.FileURL
	case fieldToken:
		into = &c.Token
	case fieldSeq, fieldFiles, fieldMetadata:
	default:
		return nil
	}
	if seen[name] {
		return chatbox.Invalid(name, "is given twice")
	}
	seen[name] = true
	if isNull(raw) {
		return nil
	}
	var err error
	switch name {
	case fieldSeq:
		c.Seq, err = integer(name, raw)
	case fieldFiles:
		c.FileIDs, err = fileIDs(raw)
	case fieldMetadata:
		c.Metadata, err = metadata(raw)
	default:
		*into, err = text(name, raw)
	}
	return err
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

// text parses a string and refuses invalid Unicode, which the library would
// silently replace.
func text(name string, raw json.RawMessage) (string, error) {
	if raw[0] != '"' {
		return "", chatbox.Invalid(name, "must be a string")
	}
	if !utf8.Valid(raw) || loneSurrogate(raw) {
		return "", chatbox.Invalid(name, "is not valid UTF-8")
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", chatbox.Invalid(name, "must be a string")
	}
	return s, nil
}

func integer(name string, raw json.RawMessage) (*int64, error) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n < 0 {
		return nil, chatbox.Invalid(name, "must be a whole number, not negative")
	}
	return &n, nil
}

// fileIDs parses a list of ids. It reads no further than the longest list that is
// accepted.
func fileIDs(raw json.RawMessage) ([]string, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return nil, chatbox.Invalid(fieldFiles, "must be a list of strings")
	}
	var ids []string
	for dec.More() {
		if len(ids) == chatbox.MaxMessageFiles {
			return nil, chatbox.TooManyFiles()
		}
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return nil, chatbox.Invalid(fieldFiles, "must be a list of strings")
		}
		id, err := text(fieldFiles, value)
		if err != nil {
			return nil, chatbox.Invalid(fieldFiles, "must be a list of strings")
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// metadata parses an object of scalars into strings: a number as written, null as
// the empty string.
func metadata(raw json.RawMessage) (map[string]string, error) {
	if raw[0] != '{' {
		return nil, chatbox.Invalid(fieldMetadata, "must be an object")
	}
	if !utf8.Valid(raw) || loneSurrogate(raw) {
		return nil, chatbox.Invalid(fieldMetadata, "is not valid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return nil, chatbox.Invalid(fieldMetadata, "must be an object")
	}
	m := map[string]string{}
	for dec.More() {
		key, value, err := member(dec)
		if err != nil {
			return nil, chatbox.Invalid(fieldMetadata, "must be an object")
		}
		if _, twice := m[key]; twice {
			return nil, chatbox.Invalid(fieldMetadata, "has a key twice")
		}
		if len(m) == maxMetadata {
			return nil, chatbox.Invalid(fieldMetadata, "has more than 32 keys")
		}
		if m[key], err = scalar(value); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func scalar(raw json.RawMessage) (string, error) {
	switch raw[0] {
	case '{', '[':
		return "", chatbox.Invalid(fieldMetadata, "may hold strings, numbers and booleans only")
	case '"':
		return text(fieldMetadata, raw)
	case 'n':
		return "", nil
	default:
		return string(raw), nil
	}
}

// loneSurrogate reports whether valid JSON contains the escape of an unpaired
// surrogate.
func loneSurrogate(raw []byte) bool {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		i++ // at the escaped character
		if i >= len(raw) || raw[i] != 'u' {
			continue
		}
		switch unit := codeUnit(raw, i+1); {
		case unit >= 0xDC00 && unit < 0xE000:
			return true
		case unit >= 0xD800 && unit < 0xDC00:
			if i+6 >= len(raw) || raw[i+5] != '\\' || raw[i+6] != 'u' {
				return true
			}
			if low := codeUnit(raw, i+7); low < 0xDC00 || low >= 0xE000 {
				return true
			}
			i += 6
		}
		i += 4
	}
	return false
}

func codeUnit(raw []byte, at int) int {
	if at+4 > len(raw) {
		return -1
	}
	n, err := strconv.ParseUint(string(raw[at:at+4]), 16, 16)
	if err != nil {
		return -1
	}
	return int(n)
}
