// Package record is how both stores write an event or a session: what is
// sealed, for which place, and in which bytes.
package record

import (
	"encoding/binary"
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

// Tags of what an event's box holds. A reader skips tags it does not know, so
// a later version may add some.
const (
	tagContent  = 1
	tagFileID   = 2
	tagFileURL  = 3
	tagMetadata = 4 // one per entry: length of the name, name, value
)

var errBox = errors.New("record: malformed box")

// EventAAD is what an event's box is bound to.
func EventAAD(k chatbox.SessionKey, key string) []string {
	return []string{"event", k.Tenant, k.ID, key}
}

// TextAAD is what the box of a session's part is bound to.
func TextAAD(k chatbox.SessionKey, part string) []string {
	return []string{"session", k.Tenant, k.ID, part}
}

// SealEvent seals what people wrote of the event (content, file, metadata) for
// its place: tenant, session and key. Every event has a box, if an empty one.
func SealEvent(c Cipher, e chatbox.Event) ([]byte, error) {
	box, err := c.Seal(appendEvent(nil, e), EventAAD(e.Session, e.Key)...)
	if err != nil {
		return nil, fmt.Errorf("record: seal event: %w", err)
	}
	return box, nil
}

// OpenEvent fills in what SealEvent sealed; e has its session and key already.
// A box that no key opens leaves the event unreadable, so that it never keeps
// the events around it from being read.
func OpenEvent(c Cipher, box []byte, e *chatbox.Event) {
	plain, err := c.Open(box, EventAAD(e.Session, e.Key)...)
	if err == nil {
		err = parseEvent(plain, e)
	}
	if err != nil {
		e.Content, e.FileID, e.FileURL, e.Metadata, e.Unreadable = "", "", "", nil, true
	}
}

// SealText seals one text of the session, called part; an empty text has no
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

// OpenText undoes SealText.
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

// Opener opens the texts of one session. One that no key opens is empty, and is
// noted.
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

// Parts of a session that are sealed.
const (
	PartName   = "name"
	PartOwner  = "owner_name"
	PartHolder = "holder_name"
	PartRating = "rating"
	PartBlock  = "block"  // of a user, by whom it is bound instead
	PartShare  = "share:" // and the share's digest
)

// PurposeShare is what digests of share tokens are for.
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
		}
	}
	return nil
}

// cut takes a length and that many bytes off the front.
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
