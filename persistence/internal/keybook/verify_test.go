package keybook

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
)

// ring opens boxes that begin with one of its keys, the sealing key's first.
type ring []string

func (r ring) KeyIDs() []string { return r }

func (r ring) SealWith(id string, plain []byte, _ ...string) ([]byte, error) {
	return append([]byte(id+"|"), plain...), nil
}

func (r ring) Probe(box []byte, _ ...string) (string, bool) {
	for _, id := range r {
		if string(box) == id+"|"+id {
			return id, true
		}
	}
	return string(box), false
}

// shelf is a store with one book, and counts writes.
type shelf struct {
	book   Book
	boxes  []Sample
	fails  error
	writes int
}

func (s *shelf) ReadBook(context.Context) (Book, error) { return s.book, s.fails }
func (s *shelf) WriteBook(_ context.Context, b Book) (bool, error) {
	s.writes++
	s.book = b
	return true, nil
}
func (s *shelf) SampleBoxes(context.Context) ([]Sample, error) { return s.boxes, nil }

func TestVerify_WritesNothing(t *testing.T) {
	s := &shelf{}
	verify := func(r ring) (bool, error) { return Verify(t.Context(), r, s) }
	fresh, err := verify(ring{"a"})
	require.NoError(t, err)
	assert.True(t, fresh, "there is no book yet")
	assert.Zero(t, s.writes)

	require.NoError(t, Check(t.Context(), ring{"a"}, s))
	require.Equal(t, 1, s.writes)
	fresh, err = verify(ring{"a"})
	require.NoError(t, err)
	assert.False(t, fresh)
	fresh, err = verify(ring{"b", "a"})
	require.NoError(t, err)
	assert.True(t, fresh, "the next pod enters b")

	var unfit *chatbox.UnfitError
	_, err = verify(ring{"b"})
	require.ErrorAs(t, err, &unfit)
	assert.Contains(t, unfit.Reason, `"a", which this pod does not have`)
	s.fails = errors.New("away")
	_, err = verify(ring{"a"})
	require.ErrorIs(t, err, s.fails)
	s.book, s.boxes, s.fails = Book{}, []Sample{{Box: []byte("z")}}, nil
	_, err = verify(ring{"a"})
	require.ErrorAs(t, err, &unfit, "records of a history without a book prove it, too")
	assert.Equal(t, 1, s.writes)
}
