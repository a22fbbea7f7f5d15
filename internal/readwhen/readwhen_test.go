package readwhen_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"chatbox/internal/readwhen"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReader_WaitsBeforeEachRead(t *testing.T) {
	t.Parallel()
	waits := 0
	ctx := readwhen.With(t.Context(), func(context.Context) { waits++ })
	r := readwhen.Reader(ctx, io.NopCloser(strings.NewReader("abcd")))
	buf := make([]byte, 2)
	for i := range 2 {
		_, err := io.ReadFull(r, buf)
		require.NoError(t, err)
		assert.Equal(t, i+1, waits)
	}
	require.NoError(t, r.Close())
}

func TestReader_WithoutAPaceIsTheSame(t *testing.T) {
	t.Parallel()
	body := io.NopCloser(strings.NewReader("a"))
	assert.Equal(t, body, readwhen.Reader(t.Context(), body))
}
