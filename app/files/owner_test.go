package files_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/files"
)

// A history neither removes the files of another one that has the same store by
// mistake, nor stores files where that one would remove them.
func TestOwner_AStoreBelongsToOneHistory(t *testing.T) {
	first := newBench(t)
	f := first.stored(t, "a.txt", []byte("words"))
	second := newBench(t, func(_ *files.Config, d *files.Deps) { d.Blobs = first.blobs })
	_, err := second.upload(t, "b.txt", []byte("words"))
	require.ErrorIs(t, err, chatbox.FilesFailed)
	second.pass(48 * time.Hour)
	require.ErrorIs(t, second.Sweep(t.Context()), chatbox.FilesFailed)
	_, content, err := first.read(t, ann, f.Key.ID, 0)
	require.NoError(t, err)
	assert.Equal(t, "words", string(content))
	assert.Len(t, first.names(t), 1, "nothing of the other upload")

	again := newBench(t, func(_ *files.Config, d *files.Deps) { d.Blobs, d.Records = first.blobs, first.store.Files() })
	_, err = again.upload(t, "c.txt", []byte("words"))
	require.NoError(t, err, "another pod of the first history")
	first.pass(48 * time.Hour)
	require.NoError(t, first.Sweep(t.Context()))
	assert.Empty(t, first.names(t), "its own unused files")
	_, err = first.upload(t, "d.txt", []byte("words"))
	require.NoError(t, err, "the mark was not swept")
}

// A folder that is not mounted is empty. It is not taken for the store.
func TestOwner_AnEmptyStoreIsNotThatOfTheHistory(t *testing.T) {
	first, empty := newBench(t), newBench(t)
	f := first.stored(t, "a.txt", []byte("words"))
	unmounted := newBench(t, func(_ *files.Config, d *files.Deps) { d.Blobs, d.Records = empty.blobs, first.store.Files() })
	_, err := unmounted.upload(t, "b.txt", []byte("words"))
	require.ErrorIs(t, err, chatbox.FilesFailed)
	swept := unmounted.Sweep(t.Context())
	require.ErrorIs(t, swept, chatbox.FilesFailed)
	_, marker, named := strings.Cut(swept.Error(), "no object ")
	require.True(t, named, "the error names the object that an operator may make")
	require.NoError(t, os.WriteFile(filepath.Join(empty.folder, strings.TrimSpace(marker)), nil, 0o600))
	_, err = unmounted.upload(t, "c.txt", []byte("words"))
	require.NoError(t, err, "a new store in place of one that was lost")
	_, err = first.store.Files().Get(t.Context(), f.Key)
	require.NoError(t, err)
}

// Objects without a name of ours are not removed: they are somebody else's.
func TestSweep_LeavesForeignObjects(t *testing.T) {
	b := newBench(t)
	b.stored(t, "a.txt", []byte("words"))
	foreign := []string{
		"notes.txt", "fileblob", "fileblob.go", "sub/report.pdf", "ab/cdefghijklmnopqrstuvwxyz234", "ab/abcdefghijklmnopqrstuvwx01", "ab/c/abcdefghijklmnopqrstuvwxyz",
		"abc/abcdefghijklmnopqrstuvwxyz", "ab/ABCDEFGHIJKLMNOPQRSTUVWXYZ", "ab/abcdefghijklmnopqrstuvwxyz2",
	}
	for _, name := range foreign {
		path := filepath.Join(b.folder, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
	}
	stray := filepath.Join(b.folder, "ab", "abcdefghijklmnopqrstuvwxyz")
	require.NoError(t, os.WriteFile(stray, []byte("x"), 0o600))
	b.pass(48 * time.Hour)
	require.NoError(t, b.Sweep(t.Context()))
	assert.NoFileExists(t, stray)
	for _, name := range foreign {
		assert.FileExists(t, filepath.Join(b.folder, filepath.FromSlash(name)), name)
	}
}
