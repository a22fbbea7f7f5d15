package files_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/files"
	"chatbox/app/files/internal/picture"
)

var talk = chatbox.SessionKey{Tenant: "t", ID: "s"}

// shared uploads a file and uses it in the session talk.
func (b *bench) shared(t *testing.T, name string, content []byte) chatbox.File {
	t.Helper()
	f := b.stored(t, name, content)
	_, err := b.Use(t.Context(), ann, talk, "file_id", []string{f.Key.ID})
	require.NoError(t, err)
	return f
}

func noise(w, h int) image.Image {
	img, random := image.NewRGBA(image.Rect(0, 0, w, h)), rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(img.Pix)
	for i := 3; i < len(img.Pix); i += 4 {
		img.Pix[i] = 255
	}
	return img
}

func TestForModel_Pictures(t *testing.T) {
	b := newBench(t)
	upright, err := os.ReadFile("testdata/upright.webp")
	require.NoError(t, err)
	for name, c := range map[string]struct {
		content     []byte
		contentType string
		w, h        int
	}{
		"a small png is sent as it is":    {pngOf(t, quarters(400, 200)), "image/png", 400, 200},
		"a small jpeg is sent as it is":   {jpegOf(t, quarters(400, 200)), "image/jpeg", 400, 200},
		"a wide one is made smaller":      {pngOf(t, quarters(3136, 100)), "image/jpeg", 1568, 50},
		"a high one is made smaller":      {jpegOf(t, quarters(100, 3136)), "image/jpeg", 50, 1568},
		"a line keeps a pixel":            {pngOf(t, quarters(4000, 1)), "image/jpeg", 1568, 1},
		"many bytes in few pixels":        {pngOf(t, noise(1500, 1500)), "image/jpeg", 1500, 1500},
		"an upright webp":                 {upright, "image/jpeg", 32, 64},
		"a webp":                          {webpOf(t), "image/jpeg", 1, 1},
		"the first frame of an animation": {gifOf(t, 2), "image/jpeg", 20, 10},
	} {
		t.Run(name, func(t *testing.T) {
			f := b.shared(t, "a picture.x", c.content)
			for range 2 { // made, and found again
				p, err := b.ForModel(t.Context(), talk, f.Key.ID)
				require.NoError(t, err)
				assert.Equal(t, "a picture.x", p.Name)
				assert.Equal(t, c.contentType, p.ContentType)
				assert.LessOrEqual(t, len(p.Data), 1<<20)
				cfg, kind, err := image.DecodeConfig(bytes.NewReader(p.Data))
				require.NoError(t, err)
				assert.Equal(t, c.contentType, "image/"+kind)
				assert.Equal(t, []int{c.w, c.h, c.w, c.h}, []int{p.Width, p.Height, cfg.Width, cfg.Height})
			}
		})
	}
}

// A WebP keeps its orientation in the store; the model sees it upright.
func TestBound_AppliesTheOrientation(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, picture.Bound("image/png", 6, 100, 1<<20, &out, bytes.NewReader(pngOf(t, quarters(400, 200)))))
	cfg, err := jpeg.DecodeConfig(&out)
	require.NoError(t, err)
	assert.Equal(t, []int{50, 100}, []int{cfg.Width, cfg.Height})
}

func TestForModel_TransparentBecomesWhite(t *testing.T) {
	b := newBench(t)
	f := b.shared(t, "a.png", pngOf(t, image.NewNRGBA(image.Rect(0, 0, 2000, 10))))
	p, err := b.ForModel(t.Context(), talk, f.Key.ID)
	require.NoError(t, err)
	img, err := jpeg.Decode(bytes.NewReader(p.Data))
	require.NoError(t, err)
	r, g, bl, _ := img.At(5, 5).RGBA()
	assert.Equal(t, []uint32{0xffff, 0xffff, 0xffff}, []uint32{r, g, bl})
}

// Only files of the session, while they are there, of the right kind.
func TestForModel_OnlyWhatTheSessionUses(t *testing.T) {
	b := newBench(t)
	used := b.shared(t, "a.png", pngOf(t, quarters(2000, 200)))
	unused := b.stored(t, "b.png", pngOf(t, quarters(20, 20)))
	text := b.shared(t, "c.txt", []byte("some text"))
	for name, c := range map[string]struct {
		session chatbox.SessionKey
		id      string
		code    chatbox.Code
	}{
		"not used by the session": {talk, unused.Key.ID, chatbox.NotFound},
		"another session's":       {chatbox.SessionKey{Tenant: "t", ID: "s2"}, used.Key.ID, chatbox.NotFound},
		"another tenant's":        {chatbox.SessionKey{Tenant: "u", ID: "s"}, used.Key.ID, chatbox.NotFound},
		"no id":                   {talk, "../x", chatbox.NotFound},
		"no picture":              {talk, text.Key.ID, chatbox.FileType},
	} {
		_, err := b.ForModel(t.Context(), c.session, c.id)
		require.ErrorIs(t, err, c.code, name)
		if c.code == chatbox.NotFound {
			_, _, err = b.Text(t.Context(), c.session, c.id)
			require.ErrorIs(t, err, c.code, name)
		}
	}
	_, err := b.ForModel(t.Context(), talk, used.Key.ID)
	require.NoError(t, err)
	_, _, err = b.Text(t.Context(), talk, text.Key.ID)
	require.NoError(t, err)
	require.Len(t, b.names(t), 5, "the smaller picture and the text are kept")
	require.NoError(t, b.Release(t.Context(), talk))
	_, err = b.ForModel(t.Context(), talk, used.Key.ID)
	require.ErrorIs(t, err, chatbox.NotFound)
	_, _, err = b.Text(t.Context(), talk, text.Key.ID)
	require.ErrorIs(t, err, chatbox.NotFound)
	assert.Equal(t, []string{unused.Blob}, b.names(t), "what was made of a file goes with it")
}

func TestForModel_DamagedPictures(t *testing.T) {
	b := newBench(t)
	whole := jpegOf(t, noise(1700, 900))
	copy(whole[len(whole)/2:], bytes.Repeat([]byte{0xFF, 0xD7}, 5000)) // a restart mark within the pixels
	f := b.shared(t, "a.jpg", whole)
	for range 2 {
		_, err := b.ForModel(t.Context(), talk, f.Key.ID)
		require.ErrorIs(t, err, chatbox.FileType)
	}
	assert.Equal(t, []string{f.Blob, f.Blob + ".model"}, b.names(t), "it is not decoded again")
}

func TestForModel_AnAlteredBlobGivesNoBytes(t *testing.T) {
	b := newBench(t)
	f := b.shared(t, "a.png", pngOf(t, quarters(400, 200)))
	path := filepath.Join(b.folder, f.Blob)
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	raw[len(raw)-5] ^= 1
	require.NoError(t, os.WriteFile(path, raw, 0o600))
	_, err = b.ForModel(t.Context(), talk, f.Key.ID)
	require.ErrorIs(t, err, chatbox.Unreadable)
}

func utf16Of(s string, order binary.AppendByteOrder) []byte {
	out := order.AppendUint16(nil, 0xFEFF)
	for _, u := range utf16.Encode([]rune(s)) {
		out = order.AppendUint16(out, u)
	}
	return out
}

func TestText_PlainDocuments(t *testing.T) {
	b := newBench(t)
	long := strings.Repeat("äöü ", 60_000) // 420 kB
	for name, c := range map[string]struct {
		content []byte
		want    string
		cut     bool
		code    chatbox.Code
	}{
		"plain":             {[]byte("Grüße,\nAnn"), "Grüße,\nAnn", false, ""},
		"markdown":          {[]byte("# Title\n\ntext"), "# Title\n\ntext", false, ""},
		"json":              {[]byte(`{"a": [1, 2]}`), `{"a": [1, 2]}`, false, ""},
		"csv":               {[]byte("a,b\n1,2\n3,4\n"), "a,b\n1,2\n3,4\n", false, ""},
		"a byte order mark": {[]byte("\xef\xbb\xbfhello"), "hello", false, ""},
		"utf-16":            {utf16Of("Grüße 🙂", binary.LittleEndian), "Grüße 🙂", false, ""},
		"utf-16, big":       {utf16Of("Grüße 🙂", binary.BigEndian), "Grüße 🙂", false, ""},
		"long":              {[]byte(long), long[:(256<<10)-(256<<10)%7], true, ""},
		"very long":         {[]byte(strings.Repeat(long, 3)), "", true, ""},
		"latin-1":           {[]byte("Gr\xfc\xdfe aus M\xfcnchen, und noch viel mehr davon"), "Grüße aus München, und noch viel mehr davon", false, ""},
		"windows-1252":      {[]byte("\x93Gr\xfc\xdfe\x94 f\xfcr 5 \x80, M\xfcnchen \x96 Z\xfcrich"), "“Grüße” für 5 €, München – Zürich", false, ""},
		"broken utf-8":      {[]byte("Grüße aus München, und ein \xff Fehler"), "Grüße aus München, und ein \uFFFD Fehler", false, ""},
		"long latin-1":      {bytes.Repeat([]byte("\xe4\xf6\xfc "), 150_000), long[:(256<<10)-(256<<10)%7], true, ""},
		"another encoding":  {[]byte("Some words, and a byte that has no letter: \x81"), "", false, chatbox.FileType},
		"control":           {[]byte(strings.Repeat("some words ", 10_000) + "\xe4\x01\x02"), "", false, chatbox.FileType},
	} {
		t.Run(name, func(t *testing.T) {
			f := b.shared(t, "a.txt", c.content)
			for range 2 {
				text, cut, err := b.Text(t.Context(), talk, f.Key.ID)
				if c.code != "" {
					require.ErrorIs(t, err, c.code)
					continue
				}
				require.NoError(t, err)
				assert.Equal(t, c.cut, cut)
				assert.LessOrEqual(t, len(text), 256<<10)
				if c.want != "" {
					assert.True(t, strings.HasPrefix(text, c.want[:min(len(c.want), 1000)]))
					assert.InDelta(t, len(c.want), len(text), 7)
				}
			}
		})
	}
}

// reader is an extractor of documents that counts.
type reader struct {
	asked int
	text  string
	err   error
}

func (r *reader) Text(_ context.Context, _ string, content io.Reader) (string, error) {
	r.asked++
	_, err := io.Copy(io.Discard, content)
	return r.text, errors.Join(err, r.err)
}

func TestText_DocumentsAreExtractedOnce(t *testing.T) {
	pdf := []byte("%PDF-1.4\nsomething")
	for name, c := range map[string]struct {
		reader reader
		asked  int
		code   chatbox.Code
	}{
		"a text":                  {reader{text: "The answer is 42."}, 1, ""},
		"a broken document":       {reader{err: errors.New("broken")}, 1, chatbox.FileType},
		"a document without text": {reader{text: " \n"}, 1, chatbox.FileType},
		"a busy extractor":        {reader{err: chatbox.NewError(chatbox.Unavailable, "busy", nil)}, 3, chatbox.Unavailable},
		"invalid utf-8":           {reader{text: "a\xffb"}, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(_ *files.Config, d *files.Deps) { d.Texts = &c.reader })
			f := b.shared(t, "a.pdf", pdf)
			for range 3 {
				text, _, err := b.Text(t.Context(), talk, f.Key.ID)
				if c.code != "" {
					require.ErrorIs(t, err, c.code)
					continue
				}
				require.NoError(t, err)
				assert.Equal(t, strings.ToValidUTF8(c.reader.text, "\uFFFD"), text)
			}
			assert.Equal(t, c.asked, c.reader.asked)
		})
	}
}

// Without an extractor nothing is kept, so that a later version can read it.
func TestText_WithoutAnExtractor(t *testing.T) {
	b := newBench(t)
	f := b.shared(t, "a.pdf", []byte("%PDF-1.4\nsomething"))
	_, _, err := b.Text(t.Context(), talk, f.Key.ID)
	require.ErrorIs(t, err, chatbox.FileType)
	assert.Equal(t, []string{f.Blob}, b.names(t))
}

// A text is sealed as the file is.
func TestText_IsSealed(t *testing.T) {
	const canary = "canary-in-a-document"
	b := newBench(t)
	f := b.shared(t, "a.txt", []byte(canary))
	_, _, err := b.Text(t.Context(), talk, f.Key.ID)
	require.NoError(t, err)
	require.Len(t, b.names(t), 2)
	for _, name := range b.names(t) {
		raw, err := os.ReadFile(filepath.Join(b.folder, name))
		require.NoError(t, err)
		assert.NotContains(t, string(raw), canary)
	}
}
