package files_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/files"
)

// An upload can be taken back by its uploader, until a session has used it.
func TestDiscard(t *testing.T) {
	b := newBench(t)
	f, used := b.stored(t, "a.png", pngOf(t, quarters(400, 200))), b.stored(t, "b.txt", []byte("x"))
	_, _, err := b.read(t, ann, f.Key.ID, 160)
	require.NoError(t, err)
	for name, a := range map[string]chatbox.Actor{"another user": bob, "staff": sam, "another tenant": {Tenant: "u", UserID: "ann"}, "nobody": {Tenant: "t"}} {
		require.ErrorIs(t, b.Discard(t.Context(), a, f.Key.ID), chatbox.NotFound, name)
	}
	for _, id := range []string{"", "store", "file_x", "../x"} {
		require.ErrorIs(t, b.Discard(t.Context(), ann, id), chatbox.NotFound, id)
	}
	s := chatbox.SessionKey{Tenant: "t", ID: "s"}
	_, err = b.Use(t.Context(), ann, s, "file_id", []string{used.Key.ID})
	require.NoError(t, err)
	require.ErrorIs(t, b.Discard(t.Context(), ann, used.Key.ID), chatbox.Conflict)
	l, err := b.Link(t.Context(), ann, f.Key.ID, 0)
	require.NoError(t, err)
	require.NoError(t, b.Discard(t.Context(), ann, f.Key.ID))
	assert.Len(t, b.names(t), 1, "with its smaller pictures")
	_, err = b.Content(t.Context(), l)
	require.ErrorIs(t, err, chatbox.NotFound)
	require.ErrorIs(t, b.Discard(t.Context(), ann, f.Key.ID), chatbox.NotFound, "a repeat")
	_, err = b.Use(t.Context(), ann, s, "file_id", []string{f.Key.ID})
	require.ErrorIs(t, err, chatbox.NotFound)
	require.NoError(t, b.Release(t.Context(), s))
	require.ErrorIs(t, b.Discard(t.Context(), ann, used.Key.ID), chatbox.NotFound)
}

// A message and a removal race: either the message has the file, or there is none.
func TestDiscard_RacesWithAMessage(t *testing.T) {
	b := newBench(t)
	for range 20 {
		f := b.stored(t, "b.txt", []byte("x"))
		var used, gone error
		var wg sync.WaitGroup
		wg.Go(func() {
			_, used = b.Use(t.Context(), ann, chatbox.SessionKey{Tenant: "t", ID: "s"}, "file_id", []string{f.Key.ID})
		})
		wg.Go(func() { gone = b.Discard(t.Context(), ann, f.Key.ID) })
		wg.Wait()
		if used == nil {
			require.ErrorIs(t, gone, chatbox.Conflict)
		} else {
			require.ErrorIs(t, used, chatbox.NotFound)
			require.NoError(t, gone)
		}
	}
}

// A file that nobody has used is there for a day; a used one stays.
func TestSweep_Unused(t *testing.T) {
	b := newBench(t)
	unused, used := b.stored(t, "a.txt", []byte("a")), b.stored(t, "b.txt", []byte("b"))
	k := chatbox.SessionKey{Tenant: "t", ID: "s"}
	_, err := b.Use(t.Context(), ann, k, "file_id", []string{used.Key.ID})
	require.NoError(t, err)
	b.pass(24*time.Hour - time.Minute)
	require.NoError(t, b.Sweep(t.Context()))
	assert.Len(t, b.names(t), 2)
	b.pass(2 * time.Minute)
	require.NoError(t, b.Sweep(t.Context()))
	assert.Equal(t, []string{used.Blob}, b.names(t))
	_, err = b.store.Files().Get(t.Context(), unused.Key)
	require.ErrorIs(t, err, chatbox.NotFound)
}

// The pod was killed between blob and record: nothing is reachable, and nothing
// stays.
func TestSweep_BlobsWithoutARecord(t *testing.T) {
	killed := true
	b := newBench(t, func(_ *files.Config, d *files.Deps) {
		d.Records = killing{d.Records, &killed}
		d.Blobs = keeping{d.Blobs, &killed}
	})
	_, err := b.upload(t, "a.txt", []byte("a"))
	require.Error(t, err)
	require.Len(t, b.names(t), 1)
	killed = false
	kept := b.stored(t, "b.png", pngOf(t, quarters(400, 200)))
	_, _, err = b.read(t, ann, kept.Key.ID, 160)
	require.NoError(t, err)
	require.NoError(t, b.Sweep(t.Context()))
	assert.Len(t, b.names(t), 3, "an upload may be under way")
	b.pass(time.Hour + time.Minute)
	for _, name := range []string{kept.Blob + ".18a4f.tmp", kept.Blob + ".w320.18a4f.tmp", "ab/abcdefghijklmnopqrstuvwxyz.18a4f.tmp"} { // incomplete
		path := filepath.Join(b.folder, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
	}
	require.NoError(t, b.Sweep(t.Context()))
	assert.ElementsMatch(t, []string{kept.Blob, kept.Blob + ".w160"}, b.names(t))
}

// The pod was killed after a release, before it removed blob and record.
func TestSweep_GoneFiles(t *testing.T) {
	killed := true
	b := newBench(t, func(_ *files.Config, d *files.Deps) { d.Blobs = keeping{d.Blobs, &killed} })
	f := b.stored(t, "a.txt", []byte("a"))
	k := chatbox.SessionKey{Tenant: "t", ID: "s"}
	_, err := b.Use(t.Context(), ann, k, "file_id", []string{f.Key.ID})
	require.NoError(t, err)
	require.NoError(t, b.Release(t.Context(), k))
	_, _, err = b.read(t, ann, f.Key.ID, 0)
	require.ErrorIs(t, err, chatbox.NotFound)
	require.Len(t, b.names(t), 1)
	killed = false
	require.NoError(t, b.Sweep(t.Context()))
	assert.Empty(t, b.names(t))
	_, err = b.store.Files().Get(t.Context(), f.Key)
	require.ErrorIs(t, err, chatbox.NotFound)
}

func TestUsable_AFileOfManySessions(t *testing.T) {
	b := newBench(t)
	f := b.stored(t, "a.txt", []byte("a"))
	in := func(n int) chatbox.SessionKey { return chatbox.SessionKey{Tenant: "t", ID: fmt.Sprint("s-", n)} }
	ids := []string{f.Key.ID}
	for n := range chatbox.MaxFileSessions {
		_, err := b.Usable(t.Context(), ann, in(n), "file_id", ids)
		require.NoError(t, err)
		_, err = b.Use(t.Context(), ann, in(n), "file_id", ids)
		require.NoError(t, err)
	}
	_, err := b.Usable(t.Context(), ann, in(0), "file_id", ids)
	require.NoError(t, err, "a session that has it may show it again")
	for _, try := range []func() error{
		func() error { _, err := b.Usable(t.Context(), ann, in(100), "file_id", ids); return err },
		func() error { _, err := b.Use(t.Context(), ann, in(100), "file_id", ids); return err },
		func() error {
			_, err := b.Usable(t.Context(), ann, chatbox.SessionKey{Tenant: "t"}, "file_id", ids)
			return err
		},
	} {
		var refused *chatbox.Error
		require.ErrorAs(t, try(), &refused)
		assert.Equal(t, chatbox.Full, refused.Code)
		assert.Equal(t, "file_id", refused.Field)
	}
	require.NoError(t, b.Release(t.Context(), in(7)))
	_, err = b.Use(t.Context(), ann, in(100), "file_id", ids)
	require.NoError(t, err)
}

// A session's archive may have the files that the session uses, and no others.
func TestInSession(t *testing.T) {
	b := newBench(t)
	f := b.stored(t, "a.txt", []byte("content"))
	k := chatbox.SessionKey{Tenant: "t", ID: "s"}
	_, err := b.InSession(t.Context(), k, f.Key.ID)
	require.ErrorIs(t, err, chatbox.NotFound, "not used yet")
	_, err = b.Use(t.Context(), ann, k, "file_id", []string{f.Key.ID})
	require.NoError(t, err)
	c, err := b.InSession(t.Context(), k, f.Key.ID)
	require.NoError(t, err)
	r, err := c.Open(0)
	require.NoError(t, err)
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	assert.Equal(t, "content", string(got))
	for _, other := range []chatbox.SessionKey{{Tenant: "t", ID: "s2"}, {Tenant: "u", ID: "s"}} {
		_, err = b.InSession(t.Context(), other, f.Key.ID)
		require.ErrorIs(t, err, chatbox.NotFound)
	}
	require.NoError(t, b.Release(t.Context(), k))
	_, err = b.InSession(t.Context(), k, f.Key.ID)
	require.ErrorIs(t, err, chatbox.NotFound)
}

// killing fails as if the process had ended before the record was written.
type killing struct {
	files.Records
	killed *bool
}

func (k killing) Create(ctx context.Context, f chatbox.File) (chatbox.File, bool, error) {
	if *k.killed && chatbox.ValidFileID(f.Key.ID) {
		return chatbox.File{}, false, errors.New("killed")
	}
	return k.Records.Create(ctx, f)
}

// keeping deletes nothing as long as the process is killed.
type keeping struct {
	files.Blobs
	killed *bool
}

func (k keeping) Delete(ctx context.Context, name string) error {
	if *k.killed {
		return errors.New("killed")
	}
	return k.Blobs.Delete(ctx, name)
}

// scanner is a virus scanner by a word.
type scanner struct{ away error }

func (s scanner) Scan(_ context.Context, content io.Reader) (string, error) {
	all, err := io.ReadAll(content)
	if string(all) == "virus" {
		return "Test", err
	}
	return "", errors.Join(err, s.away)
}

func TestUpload_IsScanned(t *testing.T) {
	b := newBench(t, func(_ *files.Config, d *files.Deps) { d.Scanner = scanner{} })
	b.stored(t, "a.txt", []byte("fine"))
	_, err := b.upload(t, "b.txt", []byte("virus"))
	require.ErrorIs(t, err, chatbox.FileInfected)
	assert.Len(t, b.names(t), 1)
	assert.Len(t, b.settled, 1)
	b = newBench(t, func(_ *files.Config, d *files.Deps) { d.Scanner = scanner{errors.New("away")} })
	_, err = b.upload(t, "a.txt", []byte("fine"))
	require.ErrorIs(t, err, chatbox.Unavailable)
	assert.Empty(t, b.names(t))
	assert.Empty(t, b.open)
}

// Without a store an erasure still ends the records, for the sweep of a later pod.
func TestRelease_WithoutAStore(t *testing.T) {
	b := newBench(t)
	f := b.stored(t, "a.txt", []byte("a"))
	k := chatbox.SessionKey{Tenant: "t", ID: "s"}
	_, err := b.Use(t.Context(), ann, k, "file_id", []string{f.Key.ID})
	require.NoError(t, err)
	off := files.New(b.cfg, files.Deps{Records: b.store.Files(), Clock: b.now})
	off.Run(t.Context())
	require.NoError(t, off.Release(t.Context(), k))
	got, err := b.store.Files().Get(t.Context(), f.Key)
	require.NoError(t, err)
	assert.True(t, got.Gone)
	require.NoError(t, b.Sweep(t.Context()))
	assert.Empty(t, b.names(t))
}
