package files_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/files"
)

// elsewhere are files at addresses.
type elsewhere struct {
	mu    sync.Mutex // guards following
	asked []string
	at    map[string]func(ctx context.Context) (io.Reader, int64, error)
}

var errNetwork = errors.New("dial tcp 10.1.2.3:443: connection refused")

func (e *elsewhere) Fetch(ctx context.Context, address string) (io.ReadCloser, int64, error) {
	e.mu.Lock()
	e.asked = append(e.asked, address)
	open := e.at[address]
	e.mu.Unlock()
	if open == nil {
		return nil, 0, errNetwork
	}
	body, size, err := open(ctx)
	return io.NopCloser(body), size, err
}

func (e *elsewhere) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.asked)
}

func text(content string, size int64) func(context.Context) (io.Reader, int64, error) {
	return func(context.Context) (io.Reader, int64, error) { return strings.NewReader(content), size, nil }
}

func fetching(t *testing.T, change ...func(*files.Config, *files.Deps)) (*bench, *elsewhere) {
	t.Helper()
	e := &elsewhere{at: map[string]func(context.Context) (io.Reader, int64, error){}}
	return newBench(t, append([]func(*files.Config, *files.Deps){func(c *files.Config, d *files.Deps) {
		c.FetchPause, d.Fetcher = 0, e
	}}, change...)...), e
}

func (b *bench) fetch(t *testing.T, message, address string) (chatbox.File, error) {
	t.Helper()
	return b.Fetch(t.Context(), ann, chatbox.FetchedFileID(ann.User(), "s", message, address), address, nil)
}

const planAt = "https://files.example.com/a/b/plan%20%C3%BC.txt?token=hunter2#x"

func TestFetch_IsAnUploadOfTheCaller(t *testing.T) {
	b, e := fetching(t)
	e.at[planAt] = text("the plan", 8)
	f, err := b.fetch(t, "m1", planAt)
	require.NoError(t, err)
	assert.Equal(t, "ann plan ü.txt text/plain 8", fmt.Sprint(f.Owner, " ", f.Name, " ", f.ContentType, " ", f.Size))
	_, content, err := b.read(t, ann, f.Key.ID, 0)
	require.NoError(t, err)
	assert.Equal(t, "the plan", string(content))
	_, _, err = b.read(t, bob, f.Key.ID, 0)
	require.ErrorIs(t, err, chatbox.NotFound)
	assert.Equal(t, []int64{8}, b.settled, "it counts")

	again, err := b.fetch(t, "m1", planAt)
	require.NoError(t, err)
	assert.Equal(t, f, again)
	assert.Equal(t, 1, e.count(), "a repeat fetches nothing")
	other, err := b.fetch(t, "m2", planAt)
	require.NoError(t, err)
	assert.NotEqual(t, f.Key, other.Key)
	assert.Equal(t, map[string]int{files.OutcomeStored: 2}, b.outcomes)
}

// The size is what the server says, and servers lie.
func TestFetch_TrustsNoLength(t *testing.T) {
	b, e := fetching(t, func(c *files.Config, _ *files.Deps) { c.Max = 100_000 })
	endless := func(size int64) func(context.Context) (io.Reader, int64, error) {
		return func(context.Context) (io.Reader, int64, error) { return endlessText{}, size, nil }
	}
	for address, want := range map[string]struct {
		open func(context.Context) (io.Reader, int64, error)
		code chatbox.Code
		says string
	}{
		"announced": {text("x", 100_001), chatbox.FileSize, "larger than 100000 bytes"},
		"hidden":    {endless(-1), chatbox.FileSize, "larger than 100000 bytes"},
		"lie":       {endless(5), chatbox.RateLimited, "limit of uploads"},
		"empty":     {text("", 0), chatbox.InvalidArgument, "is empty"},
		"page":      {text("<!DOCTYPE html><p>hi", -1), chatbox.FileType, "not accepted"},
		"half": {func(context.Context) (io.Reader, int64, error) {
			return breaking{strings.NewReader("half"), fmt.Errorf("read tcp 10.1.2.3: %w", io.ErrUnexpectedEOF)}, 10, nil
		}, chatbox.InvalidArgument, "did not arrive completely"},
		"away": {nil, chatbox.InvalidArgument, "cannot be fetched"},
	} {
		if want.open != nil {
			e.at[address] = want.open
		}
		_, err := b.fetch(t, "m", address)
		require.ErrorIs(t, err, want.code, address)
		var coded *chatbox.Error
		require.ErrorAs(t, err, &coded)
		assert.Contains(t, coded.Message, want.says, address)
		if want.code != chatbox.RateLimited {
			assert.Equal(t, "file_url", coded.Field, address)
			assert.True(t, strings.HasPrefix(coded.Message, "file_url: "), coded.Message)
			assert.NotContains(t, coded.Message, "file: ", address)
		}
		assert.NotContains(t, err.Error(), "10.1.2.3")
	}
	assert.Empty(t, b.names(t), "nothing stays")
	assert.Empty(t, b.open)
	assert.NotContains(t, b.log.String(), "10.1.2.3")
}

type endlessText struct{}

func (endlessText) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// untilDone is a body that does not arrive.
func untilDone(ctx context.Context) (io.Reader, int64, error) {
	return readerFunc(func([]byte) (int, error) { <-ctx.Done(); return 0, ctx.Err() }), -1, nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestFetch_IsBoundedInTime(t *testing.T) {
	b, e := fetching(t, func(c *files.Config, _ *files.Deps) { c.FetchFor = time.Millisecond })
	e.at["slow"] = untilDone
	e.at["silent"] = func(ctx context.Context) (io.Reader, int64, error) {
		<-ctx.Done()
		return nil, 0, ctx.Err()
	}
	_, err := b.fetch(t, "m", "slow")
	require.ErrorIs(t, err, chatbox.InvalidArgument)
	assert.Contains(t, err.Error(), "took too long")
	// A server that sees the connection close ends its response. The file is not whole.
	e.at["polite"] = func(ctx context.Context) (io.Reader, int64, error) {
		rest := strings.NewReader("the beginning")
		return readerFunc(func(p []byte) (int, error) {
			if rest.Len() == 0 {
				<-ctx.Done()
			}
			return rest.Read(p)
		}), -1, nil
	}
	_, err = b.fetch(t, "m", "polite")
	require.ErrorIs(t, err, chatbox.InvalidArgument)
	assert.Contains(t, err.Error(), "took too long")
	_, silent := b.fetch(t, "m", "silent")
	_, away := b.fetch(t, "m", "away")
	assert.Equal(t, away, silent, "who does not answer may not exist")

	// An end of the caller says nothing about the address, and the frame is repeated.
	b, e = fetching(t)
	e.at["slow"] = untilDone
	e.at["silent"] = func(ctx context.Context) (io.Reader, int64, error) { return nil, 0, ctx.Err() }
	for _, address := range []string{"slow", "silent"} {
		ctx, cancel := context.WithCancel(t.Context())
		open := e.at[address]
		e.at[address] = func(ctx context.Context) (io.Reader, int64, error) { cancel(); return open(ctx) }
		_, err = b.Fetch(ctx, ann, chatbox.FetchedFileID(ann.User(), "s", "m", address), address, nil)
		assert.True(t, chatbox.IsTransient(err), "%s: %v", address, err)
	}
}

// failing has no record of any file, and no address has one.
type failing struct {
	files.Records
	asked chan<- time.Time
}

func (failing) Get(context.Context, chatbox.FileKey) (chatbox.File, error) {
	return chatbox.File{}, chatbox.NoSuchFile()
}

func (f failing) Fetch(context.Context, string) (io.ReadCloser, int64, error) {
	f.asked <- time.Now()
	return nil, 0, errNetwork
}

// failingFetch returns a fetch that fails, and the times at which the network was
// asked.
func failingFetch(cfg files.Config) (fetch func(context.Context, chatbox.Actor, string) error, asked <-chan time.Time) {
	times := make(chan time.Time, 9)
	deps := failing{asked: times}
	s := files.New(cfg, files.Deps{Records: deps, Fetcher: deps, Observer: &fakes{outcomes: map[string]int{}}})
	return func(ctx context.Context, a chatbox.Actor, message string) error {
		_, err := s.Fetch(ctx, a, chatbox.FetchedFileID(a.User(), "s", message, "away"), "away", nil)
		return err
	}, times
}

// A failure frees its place only after the pause, so a user cannot make a pod send
// any number of requests.
func TestFetch_FewAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fetch, asked := failingFetch(files.Config{FetchFor: time.Minute, FetchPause: time.Hour})
		began := time.Now()
		var busy sync.WaitGroup
		for i := range 2 {
			busy.Go(func() { assert.ErrorIs(t, fetch(t.Context(), ann, fmt.Sprint(i)), chatbox.InvalidArgument) })
		}
		synctest.Wait()
		require.ErrorIs(t, fetch(t.Context(), ann, "m"), chatbox.RateLimited)
		assert.Equal(t, time.Minute, time.Since(began))
		assert.Len(t, asked, 2, "it was not sent")
		busy.Go(func() { assert.ErrorIs(t, fetch(t.Context(), bob, "m"), chatbox.InvalidArgument) })
		synctest.Wait()
		assert.Len(t, asked, 3, "others have places of their own")
		busy.Wait()
	})
}

// The pause begins when a fetch gets its place, however long it waited for it.
func TestFetch_PausesAfterItHasWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pause = time.Second
		fetch, asked := failingFetch(files.Config{FetchFor: time.Minute, FetchPause: pause})
		began := time.Now()
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() { assert.ErrorIs(t, fetch(t.Context(), ann, fmt.Sprint(i)), chatbox.InvalidArgument) })
		}
		all.Wait()
		assert.Equal(t, 3*pause, time.Since(began), "two at once")
		for i := range 6 {
			assert.Equal(t, time.Duration(i/2)*pause, (<-asked).Sub(began), "fetch %d", i)
		}
	})
}

// A caller that leaves gets no place sooner than others.
func TestFetch_PausesAlsoIfTheCallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pause = time.Second
		fetch, asked := failingFetch(files.Config{FetchFor: time.Minute, FetchPause: pause})
		began := time.Now()
		for i := range 5 {
			ctx, leave := context.WithCancel(t.Context())
			left := make(chan struct{})
			go func() {
				_ = fetch(ctx, ann, fmt.Sprint(i))
				close(left)
			}()
			assert.Equal(t, time.Duration(i/2)*pause, (<-asked).Sub(began), "fetch %d", i)
			leave()
			<-left
			assert.Equal(t, time.Duration(i/2)*pause, time.Since(began), "the caller does not wait")
		}
	})
}

func TestFetch_FitsOrIsRefused(t *testing.T) {
	b, e := fetching(t)
	e.at[planAt] = text("the plan", 8)
	id := chatbox.FetchedFileID(ann.User(), "s", "m", planAt)
	no := func(contentType string) error {
		return &chatbox.Error{Code: chatbox.FileType, Field: "file_url", Message: "no " + contentType}
	}
	_, err := b.Fetch(t.Context(), ann, id, planAt, no)
	require.EqualError(t, err, "file_type: no text/plain")
	assert.Empty(t, b.names(t))
	_, err = b.Fetch(t.Context(), ann, id, planAt, nil)
	require.NoError(t, err)
	_, err = b.Fetch(t.Context(), ann, id, planAt, no)
	require.EqualError(t, err, "file_type: no text/plain", "also the first file")
}

// The type is known long before the file has arrived.
func TestFetch_TheTypeIsRefusedBeforeTheRest(t *testing.T) {
	b, e := fetching(t)
	read := 0
	e.at[planAt] = func(context.Context) (io.Reader, int64, error) {
		return readerFunc(func(p []byte) (int, error) {
			read += len(p)
			return endlessText{}.Read(p)
		}), -1, nil
	}
	no := func(string) error { return &chatbox.Error{Code: chatbox.FileType, Field: "file_url"} }
	_, err := b.Fetch(t.Context(), ann, chatbox.FetchedFileID(ann.User(), "s", "m", planAt), planAt, no)
	require.ErrorIs(t, err, chatbox.FileType)
	assert.Less(t, read, 10_000)
	assert.Equal(t, []int64{int64(read)}, b.settled, "it counts")
}

// Archives and recordings are asked about once the whole file tells their type,
// unless no type that they may have fits.
func TestFetch_FitsOnceTheWholeFileTells(t *testing.T) {
	b, e := fetching(t)
	docx := zipOf(t, "[Content_Types].xml", "_rels/.rels", "word/document.xml")
	e.at["docx"] = func(context.Context) (io.Reader, int64, error) { return bytes.NewReader(docx), -1, nil }
	e.at["endless"] = func(context.Context) (io.Reader, int64, error) {
		return io.MultiReader(bytes.NewReader(docx), endlessText{}), -1, nil
	}
	only := func(part string) func(string) error {
		return func(contentType string) error {
			if strings.Contains(contentType, part) {
				return nil
			}
			return &chatbox.Error{Code: chatbox.FileType, Field: "file_url", Message: "no " + contentType}
		}
	}
	fetch := func(address, part string) error {
		_, err := b.Fetch(t.Context(), ann, chatbox.FetchedFileID(ann.User(), "s", part, address), address, only(part))
		return err
	}
	require.EqualError(t, fetch("docx", "spreadsheet"), "file_type: no application/vnd.openxmlformats-officedocument.wordprocessingml.document")
	assert.Equal(t, []int64{int64(len(docx))}, b.settled)
	require.ErrorIs(t, fetch("endless", "audio"), chatbox.FileType)
	assert.Less(t, b.settled[1], int64(10_000))
	require.NoError(t, fetch("docx", "wordprocessing"))
	assert.Len(t, b.names(t), 1)
}

// The bytes that have arrived count, so a user cannot make pods fetch without limit.
func TestFetch_RefusedBytesCount(t *testing.T) {
	const size, day = 30_000, 80_000
	b, e := fetching(t, func(c *files.Config, _ *files.Deps) { c.Max, c.BytesPerDay = size, day })
	for address, body := range map[string]io.Reader{
		"damaged": strings.NewReader(strings.Repeat("x", size-1) + "\x00"),
		"broken":  breaking{strings.NewReader(strings.Repeat("x", size)), io.ErrUnexpectedEOF},
	} {
		e.at[address] = func(context.Context) (io.Reader, int64, error) { return body, -1, nil }
		_, err := b.fetch(t, "m", address)
		require.Error(t, err, address)
	}
	assert.Equal(t, []int64{size, size}, b.settled)
	_, err := b.fetch(t, "m", "away")
	require.ErrorIs(t, err, chatbox.InvalidArgument)
	assert.Len(t, b.settled, 2, "nothing arrived")
	e.at["large"] = text(strings.Repeat("x", size), -1)
	_, err = b.fetch(t, "m", "large")
	require.ErrorIs(t, err, chatbox.RateLimited)
	assert.Empty(t, b.names(t))
	assert.Empty(t, b.open)
}

// Concurrent repeats on two pods store one file.
func TestFetch_ConcurrentRepeats(t *testing.T) {
	b, e := fetching(t)
	e.at[planAt] = text("the plan", 8)
	var ids sync.Map
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			f, err := b.Fetch(t.Context(), ann, chatbox.FetchedFileID(ann.User(), "s", "m", planAt), planAt, nil)
			if assert.NoError(t, err) {
				ids.Store(f.Blob, true)
			}
		})
	}
	wg.Wait()
	n := 0
	ids.Range(func(any, any) bool { n++; return true })
	assert.Equal(t, 1, n)
	assert.Len(t, b.names(t), 1)
	assert.Len(t, b.settled, 1)
}
