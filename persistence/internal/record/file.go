package record

import (
	"encoding/json"
	"fmt"
	"time"

	"chatbox"
)

// fileFacts are the facts about a file that are stored sealed.
type fileFacts struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Size   int64  `json:"size"`
	Width  int    `json:"width,omitempty"`
	Height int    `json:"height,omitempty"`
	Millis int64  `json:"ms,omitempty"`
}

// FileAAD returns the associated data of the box of a file's record.
func FileAAD(k chatbox.FileKey) []string { return []string{"file", k.Tenant, k.ID} }

// SealFile seals the name, type and measures of a file for its place: tenant and
// id.
func SealFile(c Cipher, f chatbox.File) ([]byte, error) {
	plain, err := json.Marshal(fileFacts{
		Name: f.Name, Type: f.ContentType, Size: f.Size, Width: f.Width, Height: f.Height, Millis: f.Duration.Milliseconds(),
	})
	if err != nil {
		return nil, fmt.Errorf("record: encode a file: %w", err)
	}
	box, err := c.Seal(plain, FileAAD(f.Key)...)
	if err != nil {
		return nil, fmt.Errorf("record: seal a file: %w", err)
	}
	return box, nil
}

// OpenFile decodes the box of SealFile into the file, whose key must be set. If no
// key opens it, the file is marked unreadable.
func OpenFile(c Cipher, f *chatbox.File, box []byte) {
	plain, err := c.Open(box, FileAAD(f.Key)...)
	var facts fileFacts
	if err == nil {
		err = json.Unmarshal(plain, &facts)
	}
	if err != nil {
		f.Unreadable = true
		return
	}
	f.Name, f.ContentType, f.Size = facts.Name, facts.Type, facts.Size
	f.Width, f.Height, f.Duration = facts.Width, facts.Height, time.Duration(facts.Millis)*time.Millisecond
}

// InTooManySessions is the error for a file that chatbox.MaxFileSessions sessions
// use.
func InTooManySessions() error {
	return chatbox.NewError(chatbox.Full, fmt.Sprintf("the file is used by %d sessions already", chatbox.MaxFileSessions), nil)
}
