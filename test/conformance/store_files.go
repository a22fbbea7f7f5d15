package conformance

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"chatbox"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func fileParts() []storePart {
	return []storePart{
		{"Files/ReadBackAsTheyWereWritten", filesReadBack},
		{"Files/OneOfARaceForAnID", filesRace},
		{"Files/UsedUntilTheLastSessionReleasesThem", filesUse},
		{"Files/UseAndReleaseRace", filesUseRace},
		{"Files/StayWithTheOtherOfTwoSessions", filesOfTwo},
		{"Files/ABoundedNumberOfSessions", filesBound},
		{"Files/ListsForSweepsAndErasures", filesLists},
		{"Files/NothingReadableAtRestAndKeysRotate", filesSecrecy},
	}
}

func newFile() chatbox.File {
	return chatbox.File{
		Key: chatbox.FileKey{Tenant: unique("t-"), ID: unique("f-")}, Owner: "ü|$.x", Name: "plan \"ü\" 🙂.pdf", ContentType: "image/png",
		Size: 1 << 33, Width: 640, Height: 480, Duration: 1500 * time.Millisecond, CreatedAt: epoch, Blob: unique("b-"),
	}
}

func createFile(t *testing.T, s Stores, f chatbox.File) chatbox.File {
	t.Helper()
	got, created, err := s.Files.Create(t.Context(), f)
	require.NoError(t, err)
	require.True(t, created)
	require.Equal(t, f, got)
	return f
}

func loadFile(t *testing.T, s Stores, k chatbox.FileKey) chatbox.File {
	t.Helper()
	f, err := s.Files.Get(t.Context(), k)
	require.NoError(t, err)
	return f
}

func filesReadBack(t *testing.T, f StoreFixture) {
	t.Helper()
	file := createFile(t, f.Stores, newFile())
	assert.Equal(t, file, loadFile(t, f.Stores, file.Key))
	again := file
	again.Name, again.Blob = "another", unique("b-")
	got, created, err := f.Files.Create(t.Context(), again)
	require.NoError(t, err)
	assert.False(t, created)
	assert.Equal(t, file, got, "the first stands")
	for _, k := range []chatbox.FileKey{{Tenant: file.Key.Tenant, ID: "x"}, {Tenant: unique("t-"), ID: file.Key.ID}, {ID: file.Key.ID}} {
		_, err := f.Files.Get(t.Context(), k)
		require.ErrorIs(t, err, chatbox.NotFound)
		_, err = f.Files.Use(t.Context(), k, "s", epoch)
		require.ErrorIs(t, err, chatbox.NotFound)
	}
	require.NoError(t, f.Files.Remove(t.Context(), file.Key))
	assert.Equal(t, file, loadFile(t, f.Stores, file.Key), "it is not gone")
}

func filesRace(t *testing.T, f StoreFixture) {
	t.Helper()
	file := newFile()
	var wg sync.WaitGroup
	won := make(chan string, 8)
	for i := range cap(won) {
		wg.Go(func() {
			mine := file
			mine.Blob = fmt.Sprint(file.Blob, i)
			got, created, err := f.Files.Create(t.Context(), mine)
			if assert.NoError(t, err) && created {
				won <- got.Blob
			}
		})
	}
	wg.Wait()
	require.Len(t, won, 1)
	assert.Equal(t, <-won, loadFile(t, f.Stores, file.Key).Blob)
}

func filesUse(t *testing.T, f StoreFixture) {
	t.Helper()
	file := createFile(t, f.Stores, newFile())
	k := file.Key
	later := epoch.Add(time.Hour)
	for range 2 {
		got, err := f.Files.Use(t.Context(), k, "s2", later)
		require.NoError(t, err)
		file.Sessions, file.UsedAt = []string{"s2"}, later
		assert.Equal(t, file, got)
	}
	got, err := f.Files.Use(t.Context(), k, "s1", later.Add(time.Hour))
	require.NoError(t, err)
	file.Sessions = []string{"s1", "s2"}
	assert.Equal(t, file, got)
	gone, err := f.Files.Abandon(t.Context(), k)
	require.NoError(t, err)
	assert.False(t, gone, "it is used")
	for _, s := range []string{"s2", "s2", "unknown", ""} {
		gone, err = f.Files.Release(t.Context(), k, s)
		require.NoError(t, err)
		assert.False(t, gone, s)
	}
	file.Sessions = []string{"s1"}
	assert.Equal(t, file, loadFile(t, f.Stores, k))
	gone, err = f.Files.Release(t.Context(), k, "s1")
	require.NoError(t, err)
	assert.True(t, gone)
	file.Sessions, file.Gone = nil, true
	assert.Equal(t, file, loadFile(t, f.Stores, k))
	_, err = f.Files.Use(t.Context(), k, "s3", later)
	require.ErrorIs(t, err, chatbox.NotFound)
	gone, err = f.Files.Release(t.Context(), k, "s1")
	require.NoError(t, err)
	assert.False(t, gone)
	for range 2 {
		require.NoError(t, f.Files.Remove(t.Context(), k))
	}
	_, err = f.Files.Get(t.Context(), k)
	require.ErrorIs(t, err, chatbox.NotFound)
	gone, err = f.Files.Release(t.Context(), k, "s1")
	require.NoError(t, err)
	assert.False(t, gone)
}

// Two sessions use a file while a third one, its only one, releases it: either
// the file is gone and nobody uses it, or it stays with those that were told so.
func filesUseRace(t *testing.T, f StoreFixture) {
	t.Helper()
	for range 10 {
		file := createFile(t, f.Stores, newFile())
		_, err := f.Files.Use(t.Context(), file.Key, "erased", epoch)
		require.NoError(t, err)
		var wg sync.WaitGroup
		used := make(chan string, 2)
		gone := make(chan bool, 2)
		for _, s := range []string{"a", "b"} {
			wg.Go(func() {
				_, err := f.Files.Use(t.Context(), file.Key, s, epoch)
				if err == nil {
					used <- s
				} else if !errors.Is(err, chatbox.NotFound) {
					t.Error(err)
				}
			})
		}
		for range 2 {
			wg.Go(func() {
				g, err := f.Files.Release(t.Context(), file.Key, "erased")
				assert.NoError(t, err)
				gone <- g
			})
		}
		wg.Wait()
		got := loadFile(t, f.Stores, file.Key)
		first, second := <-gone, <-gone
		assert.False(t, first && second, "it is released once")
		assert.Equal(t, first || second, got.Gone)
		assert.Len(t, got.Sessions, len(used))
		if got.Gone {
			assert.Empty(t, used)
		}
	}
}

// Two sessions begin to use a file at the same time, with repeats. One of them is
// erased while the other uses the file again: the file stays for the other. When both
// are erased, on two pods, it is gone, and exactly one pod is told to remove it.
func filesOfTwo(t *testing.T, f StoreFixture) {
	t.Helper()
	together := func(acts ...func() error) {
		t.Helper()
		var wg sync.WaitGroup
		for _, act := range acts {
			wg.Go(func() { assert.NoError(t, act()) })
		}
		wg.Wait()
	}
	for round := range 10 {
		file := createFile(t, f.Stores, newFile())
		tenant := file.Key.Tenant
		use := func(s string) func() error {
			return func() error { _, err := f.Files.Use(t.Context(), file.Key, s, epoch); return err }
		}
		told := make(chan string, 4)
		release := func(s string) func() error {
			return func() error {
				gone, err := f.Files.Release(t.Context(), file.Key, s)
				if gone {
					told <- s
				}
				return err
			}
		}
		together(use("a"), use("b"), use("a"), use("b"))
		assert.Equal(t, []string{"a", "b"}, loadFile(t, f.Stores, file.Key).Sessions)
		erased, other := "a", "b"
		if round%2 == 1 {
			erased, other = other, erased
		}
		together(release(erased), use(other), release(erased), use(other))
		assert.Empty(t, told)
		got := loadFile(t, f.Stores, file.Key)
		assert.False(t, got.Gone)
		assert.Equal(t, []string{other}, got.Sessions)
		for _, s := range []string{erased, other} {
			files, err := f.Files.OfSession(t.Context(), chatbox.SessionKey{Tenant: tenant, ID: s}, 9)
			require.NoError(t, err)
			assert.Len(t, files, map[bool]int{true: 1}[s == other])
		}
		if round%3 == 0 {
			together(use(erased))
			together(release(erased), release(other))
		} else {
			together(release(other), release(other))
		}
		assert.Len(t, told, 1)
		got = loadFile(t, f.Stores, file.Key)
		assert.True(t, got.Gone)
		assert.Empty(t, got.Sessions)
		_, err := f.Files.Use(t.Context(), file.Key, other, epoch)
		require.ErrorIs(t, err, chatbox.NotFound)
	}
}

func filesBound(t *testing.T, f StoreFixture) {
	t.Helper()
	file := createFile(t, f.Stores, newFile())
	for i := range chatbox.MaxFileSessions {
		_, err := f.Files.Use(t.Context(), file.Key, fmt.Sprint("s", i), epoch)
		require.NoError(t, err)
	}
	_, err := f.Files.Use(t.Context(), file.Key, "one more", epoch)
	require.ErrorIs(t, err, chatbox.Full)
	_, err = f.Files.Use(t.Context(), file.Key, "s7", epoch)
	require.NoError(t, err, "it has it already")
	_, err = f.Files.Release(t.Context(), file.Key, "s7")
	require.NoError(t, err)
	_, err = f.Files.Use(t.Context(), file.Key, "one more", epoch)
	require.NoError(t, err)
}

func filesLists(t *testing.T, f StoreFixture) {
	t.Helper()
	old, young, used := newFile(), newFile(), newFile()
	long := epoch.Add(-20 * 365 * 24 * time.Hour)
	old.CreatedAt, used.CreatedAt = long, long.Add(time.Second)
	young.Key.Tenant, used.Key.Tenant = old.Key.Tenant, old.Key.Tenant
	for _, file := range []chatbox.File{young, used, old} {
		createFile(t, f.Stores, file)
	}
	s := chatbox.SessionKey{Tenant: old.Key.Tenant, ID: "s"}
	_, err := f.Files.Use(t.Context(), used.Key, s.ID, epoch)
	require.NoError(t, err)
	ids := func(files []chatbox.File, err error) []string {
		t.Helper()
		require.NoError(t, err)
		var out []string
		for _, file := range files {
			if file.Key.Tenant == old.Key.Tenant { // the database may be shared
				out = append(out, file.Key.ID)
			}
		}
		return out
	}
	u := old.Key.User(old.Owner)
	assert.Equal(t, []string{old.Key.ID, used.Key.ID, young.Key.ID}, ids(f.Files.OfUser(t.Context(), u, epoch, 9)))
	assert.Equal(t, []string{old.Key.ID}, ids(f.Files.OfUser(t.Context(), u, long, 9)))
	assert.Equal(t, []string{old.Key.ID}, ids(f.Files.OfUser(t.Context(), u, epoch, 1)))
	assert.Empty(t, ids(f.Files.OfUser(t.Context(), old.Key.User("x"), epoch, 9)))
	assert.Equal(t, []string{used.Key.ID}, ids(f.Files.OfSession(t.Context(), s, 9)))
	assert.Empty(t, ids(f.Files.OfSession(t.Context(), chatbox.SessionKey{ID: "s"}, 9)))
	assert.Equal(t, []string{old.Key.ID}, ids(f.Files.Unused(t.Context(), long.Add(time.Hour), 500)))
	assert.Empty(t, ids(f.Files.Unused(t.Context(), long, 500)))
	assert.Empty(t, ids(f.Files.Gone(t.Context(), 500)))
	gone, err := f.Files.Abandon(t.Context(), old.Key)
	require.NoError(t, err)
	assert.True(t, gone)
	gone, err = f.Files.Abandon(t.Context(), old.Key)
	require.NoError(t, err)
	assert.False(t, gone, "already")
	assert.Equal(t, []string{old.Key.ID}, ids(f.Files.Gone(t.Context(), 500)))
	assert.Empty(t, ids(f.Files.Unused(t.Context(), long.Add(time.Hour), 500)))
	assert.Equal(t, []string{used.Key.ID, young.Key.ID}, ids(f.Files.OfUser(t.Context(), u, epoch, 9)))
	require.NoError(t, f.Files.Disown(t.Context(), used.Key))
	assert.Equal(t, []string{young.Key.ID}, ids(f.Files.OfUser(t.Context(), u, epoch, 9)))
	assert.Empty(t, loadFile(t, f.Stores, used.Key).Owner)
	blobs, err := f.Files.WithBlobs(t.Context(), []string{young.Blob, "unknown", old.Blob})
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{young.Blob, old.Blob}, blobs)
}

func filesSecrecy(t *testing.T, f StoreFixture) {
	t.Helper()
	canary := unique("canary-")
	file := newFile()
	file.Name, file.ContentType = canary+".txt", "text/"+canary
	createFile(t, f.Stores, file)
	stored := f.AtRest(t)
	require.True(t, bytes.Contains(stored, []byte(file.Key.ID)), "this is where the record is kept")
	assert.False(t, bytes.Contains(stored, []byte(canary)))
	inner := base64.RawStdEncoding.EncodeToString([]byte(canary))
	assert.False(t, bytes.Contains(stored, []byte(inner[4:len(inner)-4])))

	imposter := StoreKey()
	imposter.Secret[0]++
	got := loadFile(t, f.Reopen(t, imposter), file.Key)
	want := file
	want.Name, want.ContentType, want.Size, want.Width, want.Height, want.Duration, want.Unreadable = "", "", 0, 0, 0, 0, true
	assert.Equal(t, want, got)
	assert.Equal(t, file, loadFile(t, f.Reopen(t, nextKey(), StoreKey()), file.Key))
}
