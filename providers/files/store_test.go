package files_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"

	"chatbox"
	"chatbox/persistence"
	"chatbox/providers/files"
)

// stored is a store under test, and a second way to its bytes.
type stored struct {
	*files.Store
	raw *blob.Bucket
}

const segment = 64<<10 + 32

func keyring(t *testing.T, ids ...string) *persistence.Keyring {
	t.Helper()
	var keys []persistence.Key
	for _, id := range ids {
		keys = append(keys, persistence.Key{ID: id, Secret: [32]byte([]byte(strings.Repeat(id+"-secret-", 32)[:32]))})
	}
	k, err := persistence.NewKeyring(keys)
	require.NoError(t, err)
	return k
}

// each runs the contract against every kind of store, and against a server if
// CHATBOX_TEST_S3_URL names a bucket, as FILES_URL does. The bucket is emptied. Its
// credentials are in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
func each(t *testing.T, run func(t *testing.T, open func(keys files.Keys) stored)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) {
		bucket := memblob.OpenBucket(nil)
		t.Cleanup(func() { _ = bucket.Close() })
		run(t, func(keys files.Keys) stored { return stored{files.New(bucket, keys), bucket} })
	})
	t.Run("folder", func(t *testing.T) {
		folder := t.TempDir()
		raw, err := fileblob.OpenBucket(folder, &fileblob.Options{NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
		require.NoError(t, err)
		t.Cleanup(func() { _ = raw.Close() })
		run(t, func(keys files.Keys) stored {
			s, err := files.Open(t.Context(), files.Location{Folder: folder}, keys)
			require.NoError(t, err)
			t.Cleanup(func() { _ = s.Close() })
			return stored{s, raw}
		})
	})
	if at := os.Getenv("CHATBOX_TEST_S3_URL"); at != "" {
		t.Run("server", func(t *testing.T) {
			l, err := files.ParseLocation(at)
			require.NoError(t, err)
			raw, err := files.OpenRaw(t.Context(), l)
			require.NoError(t, err)
			t.Cleanup(func() { _ = raw.Close() })
			empty(t, raw)
			run(t, func(keys files.Keys) stored {
				s, err := files.Open(t.Context(), l, keys)
				require.NoError(t, err)
				t.Cleanup(func() { _ = s.Close() })
				return stored{s, raw}
			})
		})
	}
	t.Run("s3", func(t *testing.T) {
		t.Setenv("AWS_ACCESS_KEY_ID", "test")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
		backend := s3mem.New()
		require.NoError(t, backend.CreateBucket("files"))
		server := httptest.NewServer(gofakes3.New(backend).Server())
		t.Cleanup(server.Close)
		l, err := files.ParseLocation("s3://files?endpoint=" + server.URL + "&region=eu")
		require.NoError(t, err)
		raw, err := files.OpenRaw(t.Context(), l)
		require.NoError(t, err)
		t.Cleanup(func() { _ = raw.Close() })
		run(t, func(keys files.Keys) stored {
			s, err := files.Open(t.Context(), l, keys)
			require.NoError(t, err)
			t.Cleanup(func() { _ = s.Close() })
			return stored{s, raw}
		})
	})
}

// empty removes every object.
func empty(t *testing.T, b *blob.Bucket) {
	t.Helper()
	for all := b.List(nil); ; {
		o, err := all.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		require.NoError(t, b.Delete(t.Context(), o.Key))
	}
}

var place = chatbox.FileKey{Tenant: "t", ID: "file_a"}

func content(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func (s stored) put(t *testing.T, name string, b []byte) {
	t.Helper()
	require.NoError(t, s.Write(t.Context(), name, place, "content", func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(b))
		return err
	}))
}

func (s stored) get(t *testing.T, name string, size, from, n int64) ([]byte, error) {
	t.Helper()
	return s.getAt(t, name, place, "content", size, from, n)
}

func (s stored) getAt(t *testing.T, name string, k chatbox.FileKey, part string, size, from, n int64) ([]byte, error) {
	t.Helper()
	r, err := s.Read(t.Context(), name, k, part, size, from, n)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	return io.ReadAll(r)
}

func TestStore_ReadsRanges(t *testing.T) {
	each(t, func(t *testing.T, open func(files.Keys) stored) {
		t.Helper()
		s := open(keyring(t, "k1"))
		for _, size := range []int{1, 1000, 64<<10 - 1, 64 << 10, 64<<10 + 1, 128 << 10, 300_001} {
			b := content(size)
			s.put(t, "x", b)
			n := int64(size)
			for _, r := range [][2]int64{{0, n}, {0, 1}, {n - 1, 1}, {n / 2, n - n/2}, {n / 3, n / 3}, {n, 0}, {min(n-1, 64<<10), 1}} {
				got, err := s.get(t, "x", n, r[0], r[1])
				require.NoError(t, err, "%d of %d", r, size)
				assert.True(t, bytes.Equal(b[r[0]:r[0]+r[1]], got), "%d of %d", r, size)
			}
			require.NoError(t, s.Delete(t.Context(), "x"))
		}
	})
}

// An attacker with access to the store can cause errors, but no bytes that were
// not sealed for that place.
func TestStore_OpensOnlyWhatWasSealed(t *testing.T) {
	each(t, func(t *testing.T, open func(files.Keys) stored) {
		t.Helper()
		s := open(keyring(t, "k1"))
		b := content(4*64<<10 + 10)
		size := int64(len(b))
		s.put(t, "x", b)
		s.put(t, "other", content(len(b)))
		sealed, err := s.raw.ReadAll(t.Context(), "x")
		require.NoError(t, err)
		other, err := s.raw.ReadAll(t.Context(), "other")
		require.NoError(t, err)
		assert.False(t, bytes.Contains(sealed, b[:64]), "sealed")
		head := len(sealed) - (len(b) + 5*32)
		seg := func(i int) []byte { return sealed[head+i*segment : min(len(sealed), head+(i+1)*segment)] }
		join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
		flip := func(at int) []byte {
			c := bytes.Clone(sealed)
			c[at] ^= 1
			return c
		}
		h := sealed[:head]
		for name, forged := range map[string][]byte{
			"cut in a segment":          sealed[:len(sealed)-5],
			"cut between segments":      sealed[:head+4*segment],
			"empty":                     {},
			"no header":                 sealed[head:],
			"longer":                    append(bytes.Clone(sealed), 0),
			"two segments swapped":      join(h, seg(1), seg(0), seg(2), seg(3), seg(4)),
			"a segment repeated":        join(h, seg(0), seg(0), seg(2), seg(3), seg(4)),
			"a segment left out":        join(h, seg(0), seg(2), seg(3), seg(4)),
			"a segment of another file": join(h, seg(0), other[head+segment:head+2*segment], seg(2), seg(3), seg(4)),
			"another file's content":    other,
			"another file's header":     join(other[:head], sealed[head:]),
			"altered magic":             flip(0),
			"altered version":           flip(3),
			"altered key id":            flip(6),
			"altered salt":              flip(head - 1),
			"altered segment header":    flip(head + 2),
			"altered first segment":     flip(head + 100),
			"altered last segment":      flip(len(sealed) - 1),
		} {
			require.NoError(t, s.raw.WriteAll(t.Context(), "x", forged, nil))
			got, err := s.get(t, "x", size, 0, size)
			if name == "another file's content" { // same place: the object is valid, and not the bytes of the first
				assert.NotEqual(t, b, got)
				continue
			}
			require.Error(t, err, name)
			require.ErrorIs(t, err, chatbox.Unreadable, name)
			assert.True(t, bytes.HasPrefix(b, got), "%s: bytes that were never there", name)
			if got, err := s.get(t, "x", size, size-1, 1); err == nil {
				assert.Equal(t, b[size-1:], got, name)
			}
		}
		require.NoError(t, s.raw.WriteAll(t.Context(), "x", sealed, nil))
		got, err := s.get(t, "x", size, 0, size)
		require.NoError(t, err)
		assert.Equal(t, b, got)
		for name, k := range map[string]chatbox.FileKey{"tenant": {Tenant: "u", ID: place.ID}, "file": {Tenant: "t", ID: "file_b"}, "shifted": {Tenant: "tf", ID: "ile_a"}} {
			_, err := s.getAt(t, "x", k, "content", size, 0, size)
			require.ErrorIs(t, err, chatbox.Unreadable, name)
		}
		_, err = s.getAt(t, "x", place, "w160", size, 0, size)
		require.ErrorIs(t, err, chatbox.Unreadable, "another part")
		for _, wrong := range []int64{size - 1, size + 1, 1} {
			_, err = s.get(t, "x", wrong, 0, 1)
			require.ErrorIs(t, err, chatbox.Unreadable, "another size")
		}
	})
}

func TestStore_KeysRotate(t *testing.T) {
	each(t, func(t *testing.T, open func(files.Keys) stored) {
		t.Helper()
		b := content(70_000)
		open(keyring(t, "old")).put(t, "x", b)
		rotated := open(keyring(t, "new", "old"))
		got, err := rotated.get(t, "x", 70_000, 0, 70_000)
		require.NoError(t, err)
		assert.Equal(t, b, got)
		rotated.put(t, "y", b)
		_, err = open(keyring(t, "old")).get(t, "y", 70_000, 0, 1)
		require.ErrorIs(t, err, chatbox.Unreadable, "the new key seals")
	})
}

func TestStore_NothingOfABrokenWriteStays(t *testing.T) {
	each(t, func(t *testing.T, open func(files.Keys) stored) {
		t.Helper()
		s := open(keyring(t, "k1"))
		broken := errors.New("the client is gone")
		err := s.Write(t.Context(), "x", place, "content", func(w io.Writer) error {
			_, _ = w.Write(content(200_000))
			return broken
		})
		require.ErrorIs(t, err, broken)
		ctx, cancel := context.WithCancel(t.Context())
		err = s.Write(ctx, "y", place, "content", func(w io.Writer) error {
			_, _ = w.Write(content(200_000))
			cancel()
			return nil
		})
		require.Error(t, err)
		_, err = s.get(t, "x", 200_000, 0, 1)
		require.ErrorIs(t, err, chatbox.NotFound)
		assert.Empty(t, s.names(t))
	})
}

func (s stored) names(t *testing.T) (names []string) {
	t.Helper()
	require.NoError(t, s.Each(t.Context(), "", func(name string, at time.Time) error {
		assert.WithinDuration(t, time.Now(), at, time.Minute)
		names = append(names, name)
		return nil
	}))
	return names
}

func TestStore_DeletesVariants(t *testing.T) {
	each(t, func(t *testing.T, open func(files.Keys) stored) {
		t.Helper()
		s := open(keyring(t, "k1"))
		for _, name := range []string{"ab", files.VariantName("ab", "w160"), files.VariantName("ab", "w320"), "abc", files.VariantName("abc", "w160")} {
			s.put(t, name, []byte("x"))
		}
		for range 2 {
			require.NoError(t, s.Delete(t.Context(), "ab"))
		}
		assert.ElementsMatch(t, []string{"abc", "abc.w160"}, s.names(t))
	})
}

func TestParseLocation(t *testing.T) {
	for in, want := range map[string]files.Location{
		"file:///var/lib/chatbox/": {Folder: "/var/lib/chatbox"},
		"s3://bucket":              {Bucket: "bucket"},
		"s3://bucket?endpoint=http://minio:9000&region=eu": {Bucket: "bucket", Endpoint: "http://minio:9000", Region: "eu"},
	} {
		got, err := files.ParseLocation(in)
		require.NoError(t, err, in)
		assert.Equal(t, want, got)
		assert.NotContains(t, got.String(), "minio")
	}
	for _, bad := range []string{
		"", "x", "/var/lib", "file://var/lib", "file:///", "file:///x?y=1", "gs://b", "s3://", "s3://b/folder", "s3://key:CANARY@b", "s3://b?endpoint=",
		"s3://b?endpoint=minio:9000", "s3://b?endpoint=http://u:CANARY@h", "s3://b?secret=CANARY", "s3://b?region=a&region=b", "mem://", "http://x",
	} {
		_, err := files.ParseLocation(bad)
		require.Error(t, err, bad)
		assert.NotContains(t, err.Error(), "CANARY")
	}
}

// A bucket without a folder for temporary files would refuse every upload.
func TestOpen_ABucketNeedsTemporaryFiles(t *testing.T) {
	t.Setenv("TMPDIR", "/nowhere")
	_, err := files.Open(t.Context(), files.Location{Bucket: "files", Endpoint: "http://127.0.0.1:9", Region: "eu"}, keyring(t, "k1"))
	require.ErrorContains(t, err, "TMPDIR")
}
