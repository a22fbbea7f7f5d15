package files

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"chatbox"
)

// A file store belongs to one history. If two histories shared one, the sweep of
// either would remove the files of the other, which have no record in it. So each
// history has a random id, in a record that is no file, and the store has an
// object whose name contains that id.
const (
	markerPrefix = "chatbox-store."
	markerID     = "store" // no valid id of a file
	markerPart   = "marker"
)

func markerKey() chatbox.FileKey { return chatbox.FileKey{ID: markerID} }

// own returns an error if the store is not known to belong to this history. It
// looks until it has found the marker once.
func (s *Service) own(ctx context.Context) error {
	if s.owned.Load() {
		return nil
	}
	s.owning.Lock()
	defer s.owning.Unlock()
	if s.owned.Load() {
		return nil
	}
	// Pods that race create one record, and claim the store by the same mark.
	f, _, err := s.deps.Records.Create(ctx, chatbox.File{
		Key: markerKey(), Name: markerID, Blob: strings.ToLower(rand.Text()), CreatedAt: s.now(),
	})
	if err != nil {
		return err
	}
	marker := markerPrefix + f.Blob
	claimed := !f.UsedAt.IsZero()
	_, err = s.deps.Blobs.Size(ctx, marker)
	switch {
	case errors.Is(err, chatbox.Unreadable): // its name matters; an operator may have made it
		err = nil
	case errors.Is(err, chatbox.NotFound) && claimed:
		return chatbox.NewError(chatbox.FilesFailed, "the file store is not that of this history; its folder may not be mounted",
			fmt.Errorf("files: the store has no object %s", marker))
	case errors.Is(err, chatbox.NotFound):
		err = s.claimStore(ctx, marker)
	}
	if err == nil && !claimed { // a record in use is not swept; no session has this id
		_, err = s.deps.Records.Use(ctx, f.Key, "*", s.now())
	}
	s.owned.Store(err == nil)
	return err
}

// claimStore marks a store that no history has marked. If two histories race,
// neither gets it.
func (s *Service) claimStore(ctx context.Context, marker string) error {
	if err := s.noOther(ctx, marker); err != nil {
		return err
	}
	err := s.deps.Blobs.Write(ctx, marker, markerKey(), markerPart, func(w io.Writer) error {
		_, err := io.WriteString(w, "This file store belongs to one history of Chatbox.\n")
		return err
	})
	if err != nil {
		return err
	}
	if err := s.noOther(ctx, marker); err != nil {
		return errors.Join(err, s.deps.Blobs.Delete(ctx, marker))
	}
	return nil
}

// noOther returns an error if another history has marked the store.
func (s *Service) noOther(ctx context.Context, marker string) error {
	return s.deps.Blobs.Each(ctx, markerPrefix, func(name string, _ time.Time) error {
		if name != marker {
			return chatbox.NewError(chatbox.FilesFailed, "the file store belongs to another history", nil)
		}
		return nil
	})
}

// blobDigits is the length of a blob's name behind its folder, that of rand.Text.
const blobDigits = 26

// temporary ends the names of incomplete objects, as gocloud.dev/blob/fileblob makes
// them: the name of the object, a dot, a number in hexadecimal, and this. A killed pod
// leaves them.
const temporary = ".tmp"

// incomplete reports whether an object is what a killed pod left of a write. It
// belongs to no record, also if the object that was written has one.
func incomplete(name string) bool { return strings.HasSuffix(name, temporary) }

// ourBlob reports whether an object has a name that newBlobName makes, or is a variant
// of one, complete or not. Other objects are not removed.
func ourBlob(name string) bool {
	base, _, _ := strings.Cut(name, ".")
	folder, rest, ok := strings.Cut(base, "/")
	return ok && len(folder) == 2 && len(rest) == blobDigits && strings.HasPrefix(rest, folder) &&
		strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz234567") == ""
}
