package media_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/app/files/internal/media"
)

// The files are of ffmpeg: a tone of 1.5 s, or less where the format is large.
func TestOf_RealFiles(t *testing.T) {
	for name, c := range map[string]struct {
		kind string
		long time.Duration
		near time.Duration // encoders add silence
	}{
		"cbr.mp3":     {"audio/mpeg", 1500 * time.Millisecond, 200 * time.Millisecond},
		"vbr.mp3":     {"audio/mpeg", 1500 * time.Millisecond, 200 * time.Millisecond},
		"bare.mp3":    {"audio/mpeg", 1500 * time.Millisecond, 250 * time.Millisecond},
		"opus.ogg":    {"audio/ogg", 1500 * time.Millisecond, 20 * time.Millisecond},
		"vorbis.ogg":  {"audio/ogg", 1500 * time.Millisecond, 20 * time.Millisecond},
		"opus.webm":   {"audio/webm", 1500 * time.Millisecond, 30 * time.Millisecond},
		"stream.webm": {"audio/webm", 1500 * time.Millisecond, 60 * time.Millisecond},
		"video.webm":  {"video/webm", 1500 * time.Millisecond, 20 * time.Millisecond},
		"sound.flac":  {"audio/flac", 200 * time.Millisecond, 0},
		"sound.m4a":   {"audio/mp4", 1500 * time.Millisecond, 150 * time.Millisecond},
		"sound.wav":   {"audio/wav", 400 * time.Millisecond, 0},
		"stream.wav":  {"audio/wav", 400 * time.Millisecond, 0},
	} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(t, err)
		f, err := media.Of(c.kind, bytes.NewReader(b), int64(len(b)))
		require.NoError(t, err)
		assert.InDelta(t, c.long.Milliseconds(), f.Duration.Milliseconds(), float64(c.near.Milliseconds()), name)
		assert.Equal(t, name == "video.webm", f.Video, name)
		assert.Equal(t, name != "video.webm", f.Audio, name)
	}
}

// A cover before the sound is larger than what is read of the beginning.
func TestOf_SoundAfterACover(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "bare.mp3"))
	require.NoError(t, err)
	plain, err := media.Of("audio/mpeg", bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	const cover = 200_000
	head := []byte{'I', 'D', '3', 4, 0, 0, cover >> 21 & 0x7F, cover >> 14 & 0x7F, cover >> 7 & 0x7F, cover & 0x7F}
	b = append(append(head, make([]byte, cover)...), b...)
	f, err := media.Of("audio/mpeg", bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	assert.Equal(t, plain, f)
}

// Damaged headers give no facts, or wrong ones, but no panic and no endless work.
func TestOf_DamagedFiles(t *testing.T) {
	found, err := filepath.Glob("testdata/*")
	require.NoError(t, err)
	require.NotEmpty(t, found)
	kinds := []string{"audio/mpeg", "audio/ogg", "audio/webm", "audio/flac", "audio/mp4", "audio/wav"}
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range found {
		whole, err := os.ReadFile(name)
		require.NoError(t, err)
		for range 300 {
			b := bytes.Clone(whole[:random.IntN(len(whole)+1)])
			for range min(len(b), random.IntN(8)) {
				b[random.IntN(len(b))] = byte(random.Int())
			}
			for _, kind := range kinds {
				f, err := media.Of(kind, bytes.NewReader(b), int64(len(b)))
				require.NoError(t, err)
				assert.GreaterOrEqual(t, f.Duration, time.Duration(0))
			}
		}
	}
}
