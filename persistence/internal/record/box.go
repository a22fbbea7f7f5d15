// Package record defines how both stores write events and sessions: which fields
// are sealed, for which place, and in which encoding.
package record

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"chatbox"
)

// Cipher seals and opens boxes bound to the place that ad names.
type Cipher interface {
	Seal(plain []byte, ad ...string) ([]byte, error)
	Open(box []byte, ad ...string) ([]byte, error)
}

// Tags of the fields in an event's box. A reader skips unknown tags, so a later
// version may add some.
const (
	tagContent  = 1
	tagFileID   = 2
	tagFileURL  = 3
	tagMetadata = 4 // one per entry: length of the name, name, value
	tagFile     = 5 // one per file, in order: a JSON object
)

var errBox = errors.New("record: malformed box")

// EventAAD returns the associated data of an event's box.
func EventAAD(k chatbox.SessionKey, key string) []string {
	return []string{"event", k.Tenant, k.ID, key}
}

// TextAAD returns the associated data of the box of a session's part.
func TextAAD(k chatbox.SessionKey, part string) []string {
	return []string{"session", k.Tenant, k.ID, part}
}

// SealEvent seals what people wrote in the event (content, files, metadata) for
// its place: tenant, session and key. Every event has a box, even if it is empty.
func SealEvent(c Cipher, e chatbox.Event) ([]byte, error) {
	box, err := c.Seal(appendEvent(nil, e), EventAAD(e.Session, e.Key)...)
	if err != nil {
		return nil, fmt.Errorf("record: seal event: %w", err)
	}
	return box, nil
}

// OpenEvent decodes the box of SealEvent into e, whose session and key must be
// set. If no key opens the box, the event is marked unreadable, so that the
// events around it can still be read.
func OpenEvent(c Cipher, box []byte, e *chatbox.Event) {
	plain, err := c.Open(box, EventAAD(e.Session, e.Key)...)
	if err == nil {
		err = parseEvent(plain, e)
	}
	if err != nil {
		e.Content, e.FileID, e.FileURL, e.Metadata, e.Files, e.Unreadable = "", "", "", nil, nil, true
	}
}

// SealText seals one text of the session, named by part. An empty text has no
// box.
func SealText(c Cipher, k chatbox.SessionKey, part, text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	box, err := c.Seal([]byte(text), TextAAD(k, part)...)
	if err != nil {
		return nil, fmt.Errorf("record: seal %s: %w", part, err)
	}
	return box, nil
}

// OpenText reverses SealText.
func OpenText(c Cipher, k chatbox.SessionKey, part string, box []byte) (string, error) {
	if len(box) == 0 {
		return "", nil
	}
	plain, err := c.Open(box, TextAAD(k, part)...)
	if err != nil {
		return "", fmt.Errorf("record: open %s of session %s: %w", part, k.ID, err)
	}
	return string(plain), nil
}

// Opener opens the texts of one session. A text that no key opens is left empty,
// and Opener records it.
type Opener struct {
	Cipher
	Session    chatbox.SessionKey
	Unreadable bool
}

// Text is OpenText.
func (o *Opener) Text(part string, box []byte) string {
	text, err := OpenText(o.Cipher, o.Session, part, box)
	if err != nil {
		o.Unreadable = true
	}
	return text
}

// Names of the sealed parts of a session.
const (
	PartName   = "name"
	PartOwner  = "owner_name"
	PartHolder = "holder_name"
	PartRating = "rating"
	PartBlock  = "block"  // of a user, and bound to the user
	PartShare  = "share:" // followed by the share's digest
)

// PurposeShare is the purpose of the digests of share tokens.
const PurposeShare = "share"

func appendEvent(out []byte, e chatbox.Event) []byte {
	out = appendField(out, tagContent, e.Content)
	out = appendField(out, tagFileID, e.FileID)
	out = appendField(out, tagFileURL, e.FileURL)
	names := make([]string, 0, len(e.Metadata))
	for name := range e.Metadata {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		entry := binary.AppendUvarint(nil, uint64(len(name)))
		entry = append(append(entry, name...), e.Metadata[name]...)
		out = binary.AppendUvarint(out, tagMetadata)
		out = binary.AppendUvarint(out, uint64(len(entry)))
		out = append(out, entry...)
	}
	for _, f := range e.Files {
		entry, _ := json.Marshal(f) // texts and numbers are always encoded
		out = appendField(out, tagFile, string(entry))
	}
	return out
}

func appendField(out []byte, tag uint64, text string) []byte {
	if text == "" {
		return out
	}
	out = binary.AppendUvarint(out, tag)
	out = binary.AppendUvarint(out, uint64(len(text)))
	return append(out, text...)
}

func parseEvent(in []byte, e *chatbox.Event) error {
	for len(in) > 0 {
		tag, n := binary.Uvarint(in)
		if n <= 0 {
			return errBox
		}
		value, rest, err := cut(in[n:])
		if err != nil {
			return err
		}
		in = rest
		switch tag {
		case tagContent:
			e.Content = string(value)
		case tagFileID:
			e.FileID = string(value)
		case tagFileURL:
			e.FileURL = string(value)
		case tagMetadata:
			name, text, err := cut(value)
			if err != nil {
				return err
			}
			if e.Metadata == nil {
				e.Metadata = map[string]string{}
			}
			e.Metadata[string(name)] = string(text)
		case tagFile:
			var f chatbox.AttachedFile
			if json.Unmarshal(value, &f) != nil {
				return errBox
			}
			e.Files = append(e.Files, f)
		}
	}
	return nil
}

// cut removes a length and that many bytes from the front.
func cut(in []byte) (value, rest []byte, err error) {
	size, n := binary.Uvarint(in)
	if n <= 0 {
		return nil, nil, errBox
	}
	in = in[n:]
	if size > uint64(len(in)) {
		return nil, nil, errBox
	}
	return in[:size], in[size:], nil
}
