package files_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/files"
)

// away are records that cannot be read after some reads.
type away struct {
	files.Records

	left *int
}

func (r away) Get(ctx context.Context, k chatbox.FileKey) (chatbox.File, error) {
	if *r.left--; *r.left < 0 {
		return chatbox.File{}, chatbox.NewError(chatbox.StoreFailed, "", errors.New("away"))
	}
	return r.Records.Get(ctx, k)
}

// A smaller picture is written while the history is unavailable: the picture stays.
func TestContent_AnOutageRemovesNothing(t *testing.T) {
	left := 1000
	b := newBench(t, func(_ *files.Config, d *files.Deps) { d.Records = away{d.Records, &left} })
	f := b.stored(t, "a.png", pngOf(t, quarters(400, 200)))
	l, err := b.Link(t.Context(), ann, f.Key.ID, 160)
	require.NoError(t, err)
	left = 1
	c, err := b.Content(t.Context(), l)
	require.NoError(t, err)
	_, err = c.Make()
	require.NoError(t, err)
	left = 1000
	_, whole, err := b.read(t, ann, f.Key.ID, 0)
	require.NoError(t, err)
	assert.Len(t, whole, int(f.Size))
}

// A turned picture is packed again, and may be much larger than the file that came.
func TestUpload_ATurnedPictureIsBounded(t *testing.T) {
	small := withChunk(packed(t, quarters(2000, 2000)), "eXIf", tiff(6))
	b := newBench(t, func(c *files.Config, _ *files.Deps) { c.Max = int64(len(small)) + 100 })
	_, err := b.upload(t, "a.png", small)
	require.ErrorIs(t, err, chatbox.FileSize)
	assert.Empty(t, b.names(t))
	b = newBench(t)
	f := b.stored(t, "a.png", small)
	assert.Equal(t, []int64{f.Size}, b.settled, "the stored size counts")
}

func packed(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, img))
	return b.Bytes()
}
