// Package files stores the contents of uploaded files in a folder or in an
// S3-compatible object store. It seals every object before the store receives a
// byte, and opens only what it sealed for the same place.
package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"chatbox"
)

// Keys derives the keys of objects.
type Keys interface {
	// DeriveFileKey derives a 32-byte key from the key with the id, or from the
	// current key if the id is empty, and returns the id that it used.
	DeriveFileKey(id string, salt []byte, place ...string) (used string, key []byte, err error)
}

// Store holds sealed objects. Names of objects are chosen by the caller and must
// say nothing about people. It is safe for concurrent use. Its errors have the
// codes chatbox.FilesFailed, chatbox.NotFound and chatbox.Unreadable.
type Store struct {
	bucket  *blob.Bucket
	keys    Keys
	deliver deliverer // nil: objects are streamed to the bucket
	folder  string    // the bucket's, if it is one
}

// deliverer stores a complete object.
type deliverer func(ctx context.Context, name string, content io.ReadSeeker, size int64) error

// New returns a store in the bucket, which Close closes.
func New(bucket *blob.Bucket, keys Keys) *Store { return &Store{bucket: bucket, keys: keys} }

// Close releases the connections. Running operations fail.
func (s *Store) Close() error { return s.bucket.Close() }

// variantMark separates an object's name from the name of a variant of it.
const variantMark = "."

// VariantName returns the name of an object that Delete removes together with
// the named one.
func VariantName(name, variant string) string { return name + variantMark + variant }

// Delete removes the object and its variants. It is not an error if there are
// none.
func (s *Store) Delete(ctx context.Context, name string) error {
	err := s.Each(ctx, name+variantMark, func(variant string, _ time.Time) error { return s.remove(ctx, variant) })
	if err != nil {
		return err
	}
	return s.remove(ctx, name)
}

func (s *Store) remove(ctx context.Context, name string) error {
	err := s.bucket.Delete(ctx, name)
	if err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return failed("delete an object", err)
	}
	return nil
}

// Each calls visit for every object whose name begins with the prefix, with the
// time at which it was written, in pages, until visit fails.
func (s *Store) Each(ctx context.Context, prefix string, visit func(name string, written time.Time) error) error {
	list := s.bucket.List(&blob.ListOptions{Prefix: prefix})
	for {
		found, err := list.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return failed("list the objects", err)
		}
		if found.IsDir {
			continue
		}
		if err := visit(found.Key, found.ModTime); err != nil {
			return err
		}
	}
}

// failed gives an error of the store its code. Its text may name the object and
// the store's address, never a credential or content.
func failed(act string, err error) error {
	if gcerrors.Code(err) == gcerrors.NotFound {
		return chatbox.NewError(chatbox.NotFound, "no such file", fmt.Errorf("files: %s: %w", act, err))
	}
	return &chatbox.Error{
		Code: chatbox.FilesFailed, Message: "the file store is not available; please try again", Err: fmt.Errorf("files: %s: %w", act, err),
	}
}

// altered is the error for an object that is not, byte for byte, what was sealed
// for the place.
func altered(err error) error {
	return chatbox.NewError(chatbox.Unreadable, "no key of this cluster opens the file, or it was altered", fmt.Errorf("files: open: %w", err))
}
