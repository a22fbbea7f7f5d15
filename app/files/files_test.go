package files_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/files"
	"chatbox/persistence"
)

// quarters is a picture whose corners differ: red, green, blue, white.
func quarters(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{255, 0, 0, 255}
			switch {
			case x >= w/2 && y < h/2:
				c = color.RGBA{0, 255, 0, 255}
			case x < w/2 && y >= h/2:
				c = color.RGBA{0, 0, 255, 255}
			case x >= w/2:
				c = color.RGBA{255, 255, 255, 255}
			}
			img.Set(x, y, c)
		}
	}
	return img
}

func pngOf(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, img))
	return b.Bytes()
}

func jpegOf(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}))
	return b.Bytes()
}

// tiff is an EXIF block with an orientation and a GPS directory.
func tiff(orientation uint16) []byte {
	var b bytes.Buffer
	le := binary.LittleEndian
	b.WriteString("II*\x00\x08\x00\x00\x00")
	b.Write(le.AppendUint16(nil, 2))
	entry := func(tag, kind uint16, count, value uint32) {
		b.Write(le.AppendUint32(le.AppendUint32(le.AppendUint16(le.AppendUint16(nil, tag), kind), count), value))
	}
	entry(0x0112, 3, 1, uint32(orientation))
	entry(0x8825, 4, 1, 38)
	b.Write(make([]byte, 4))
	b.WriteString("GPS-CANARY 48.8583N 2.2944E")
	return b.Bytes()
}

func withSegment(jpg []byte, marker byte, body []byte) []byte {
	seg := append([]byte{0xFF, marker, byte((len(body) + 2) >> 8), byte(len(body) + 2)}, body...)
	return bytes.Join([][]byte{jpg[:2], seg, jpg[2:]}, nil)
}

func chunk(kind string, body []byte) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	out = append(append(out, kind...), body...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[4:]))
}

func withChunk(p []byte, kind string, body []byte) []byte {
	const head = 8 + 25
	return bytes.Join([][]byte{p[:head], chunk(kind, body), p[head:]}, nil)
}

func zipOf(t *testing.T, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range names {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		require.NoError(t, err)
		content := "x"
		if name == "mimetype" {
			content = "application/vnd.oasis.opendocument.text"
		}
		_, _ = io.WriteString(f, content)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

func wavOf(seconds int) []byte {
	le := binary.LittleEndian
	data := make([]byte, seconds*8000)
	b := append([]byte("RIFF"), le.AppendUint32(nil, uint32(36+len(data)))...)
	b = append(b, "WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"...)
	b = le.AppendUint32(le.AppendUint32(b, 8000), 8000)
	b = append(b, 1, 0, 8, 0)
	b = append(append(b, "data"...), le.AppendUint32(nil, uint32(len(data)))...)
	return append(b, data...)
}

func webpOf(t *testing.T, extra ...[]byte) []byte {
	t.Helper()
	// A lossless picture of 1x1.
	raw, err := base64.StdEncoding.DecodeString("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")
	require.NoError(t, err)
	pixels := raw[12:]
	flags := byte(0)
	if len(extra) > 0 {
		flags = 0x0C
	}
	body := append([]byte("WEBPVP8X\x0a\x00\x00\x00"), flags, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	body = append(body, pixels...)
	for _, e := range extra {
		body = append(body, e...)
	}
	return append(append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, uint32(len(body)))...), body...)
}

func riff(kind string, body []byte) []byte {
	out := append([]byte(kind), binary.LittleEndian.AppendUint32(nil, uint32(len(body)))...)
	out = append(out, body...)
	if len(body)%2 == 1 {
		out = append(out, 0)
	}
	return out
}

func gifOf(t *testing.T, frames int) []byte {
	t.Helper()
	g := &gif.GIF{LoopCount: 3}
	for i := range frames {
		p := image.NewPaletted(image.Rect(0, 0, 20, 10), color.Palette{color.Black, color.White, color.RGBA{uint8(i), 0, 0, 255}})
		g.Image, g.Delay = append(g.Image, p), append(g.Delay, 5)
	}
	var b bytes.Buffer
	require.NoError(t, gif.EncodeAll(&b, g))
	return b.Bytes()
}

// The content decides the type, for any name.
func TestUpload_TheTypeIsTheContents(t *testing.T) {
	b := newBench(t)
	pic := pngOf(t, quarters(40, 20))
	docx := zipOf(t, "[Content_Types].xml", "_rels/.rels", "word/document.xml")
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"a picture":     {pic, "image/png"},
		"photo.txt":     {jpegOf(t, quarters(40, 20)), "image/jpeg"},
		"invoice.exe":   {[]byte("%PDF-1.7\n1 0 obj\n"), "application/pdf"},
		"script.png":    {[]byte("%PDF-1.7\n/JS (alert(1))\n"), "application/pdf"},
		"plain.html":    {[]byte("just words"), "text/plain"},
		"notes.md":      {[]byte("# Title\n\nwords\n"), "text/markdown"},
		"table.csv":     {[]byte("a,b,c\n1,2,3\n4,5,6\n"), "text/csv"},
		"data.json":     {[]byte(`{"a": 1}`), "application/json"},
		"letter.zip":    {docx, "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
		"table.docx":    {zipOf(t, "[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
		"late parts":    {zipOf(t, append(strings.Split(strings.Repeat("x/a/b/c,", 300), ","), "[Content_Types].xml", "_rels/.rels", "ppt/presentation.xml")...), "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
		"text.odt":      {zipOf(t, "mimetype", "content.xml", "META-INF/manifest.xml"), "application/vnd.oasis.opendocument.text"},
		"speech":        {wavOf(2), "audio/wav"},
		"moving.gif":    {gifOf(t, 3), "image/gif"},
		"still.webp":    {webpOf(t), "image/webp"},
		"utf16.txt":     {[]byte("\xff\xfeh\x00i\x00"), "text/plain"},
		"less than.txt": {[]byte("< 5 apples"), "text/plain"},
		"one byte":      {[]byte("x"), "text/plain"},
	} {
		f, err := b.upload(t, name, c.content)
		require.NoError(t, err, name)
		assert.Equal(t, c.want, f.ContentType, name)
		got, all, err := b.read(t, ann, f.Key.ID, 0)
		require.NoError(t, err, name)
		assert.Equal(t, c.want, got.ContentType)
		assert.Len(t, all, int(f.Size), name)
		if !f.Picture() {
			assert.Equal(t, c.content, all, "%s: byte for byte", name)
		}
	}
}

func bomb(t *testing.T, w, h uint32) []byte {
	t.Helper()
	p := pngOf(t, quarters(2, 2))
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
	return bytes.Join([][]byte{p[:8], chunk("IHDR", append(head, 8, 6, 0, 0, 0)), p[8+25:]}, nil)
}

func TestUpload_Refuses(t *testing.T) {
	pic, jpg := pngOf(t, quarters(40, 20)), jpegOf(t, quarters(400, 200))
	bigJPEG := bytes.Clone(jpg)
	at := bytes.Index(bigJPEG, []byte{0xFF, 0xC0})
	copy(bigJPEG[at+5:], []byte{0xFF, 0xFF, 0xFF, 0xFF})
	bigGIF := gifOf(t, 1)
	copy(bigGIF[6:], []byte{0xFF, 0xFF, 0xFF, 0xFF})
	for name, c := range map[string]struct {
		content []byte
		want    chatbox.Code
	}{
		"empty.txt":                    {nil, chatbox.InvalidArgument},
		"page.txt":                     {[]byte("<!DOCTYPE html><script>alert(1)</script>"), chatbox.FileType},
		"space.txt":                    {[]byte(" \n\t<html><body>"), chatbox.FileType},
		"script.txt":                   {[]byte("<script>alert(1)</script>"), chatbox.FileType},
		"unknown tag.txt":              {[]byte("<x onclick=alert(1)>"), chatbox.FileType},
		"comment.txt":                  {[]byte("<!-- x --><script>"), chatbox.FileType},
		"bom.txt":                      {[]byte("\ufeff<html>"), chatbox.FileType},
		"utf16.txt":                    {[]byte("\xff\xfe<\x00h\x00t\x00m\x00l\x00>\x00"), chatbox.FileType},
		"svg.txt":                      {[]byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`), chatbox.FileType},
		"svg.png":                      {[]byte(`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>`), chatbox.FileType},
		"xml.txt":                      {[]byte(`<?xml version="1.0"?><x/>`), chatbox.FileType},
		"program.txt":                  {[]byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00>\x00"), chatbox.FileType},
		"program.png":                  {append([]byte("MZ\x90\x00\x03"), make([]byte, 200)...), chatbox.FileType},
		"letter.docx without parts":    {zipOf(t, "a.txt"), chatbox.FileType},
		"letter.docx with a word file": {zipOf(t, "word/evil.exe"), chatbox.FileType},
		"macros.docx":                  {zipOf(t, "[Content_Types].xml", "_rels/.rels", "word/document.xml", "word/vbaProject.bin"), chatbox.FileType},
		"cut.docx":                     {zipOf(t, "[Content_Types].xml", "_rels/.rels", "word/document.xml")[:100], chatbox.FileType},
		"text then binary":             {append(bytes.Repeat([]byte("words "), 2000), 0, 1, 2), chatbox.FileType},
		"cut.jpg":                      {jpg[:len(jpg)/2], chatbox.FileType},
		"cut in a header.jpg":          {jpg[:30], chatbox.FileType},
		"cut.png":                      {pic[:len(pic)-8], chatbox.FileType},
		"altered.png":                  {append(bytes.Clone(pic[:60]), append([]byte{pic[60] ^ 1}, pic[61:]...)...), chatbox.FileType},
		"only a header.gif":            {[]byte("GIF89a\x01\x00\x01\x00\x00\x00\x00<script>alert(1)</script>"), chatbox.FileType},
		"cut.webp":                     {webpOf(t)[:30], chatbox.FileType},
		"60k x 60k.png":                {bomb(t, 60_000, 60_000), chatbox.FileSize},
		"50 megapixels and one.png":    {bomb(t, 50_000_001, 1), chatbox.FileSize},
		"4 G wide.png":                 {bomb(t, 1<<32-1, 1), chatbox.FileSize},
		"no width.png":                 {bomb(t, 0, 10), chatbox.FileType},
		"bomb.jpg":                     {bigJPEG, chatbox.FileSize},
		"bomb.gif":                     {bigGIF, chatbox.FileSize},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			_, err := b.upload(t, name, c.content)
			require.ErrorIs(t, err, c.want)
			assert.Empty(t, b.names(t), "nothing stays")
			assert.Empty(t, b.open, "the quota is as before")
			assert.Empty(t, b.settled)
			found, err := b.store.Files().OfUser(t.Context(), ann.User(), b.now().Add(time.Hour), 9)
			require.NoError(t, err)
			assert.Empty(t, found)
		})
	}
}

func TestUpload_Sizes(t *testing.T) {
	const most = 100_000
	b := newBench(t, func(cfg *files.Config, _ *files.Deps) { cfg.Max = most })
	body := func(n int) io.Reader { return strings.NewReader(strings.Repeat("x", n)) }
	for _, announced := range []int64{-1, 0, most} {
		f, err := b.Upload(t.Context(), ann, files.Incoming{Size: announced, Body: body(most)})
		if announced == 0 { // a client that lies gets what it announced
			require.Error(t, err)
			continue
		}
		require.NoError(t, err)
		assert.EqualValues(t, most, f.Size)
	}
	before := len(b.names(t))
	for _, announced := range []int64{-1, 0, most} {
		_, err := b.Upload(t.Context(), ann, files.Incoming{Size: announced, Body: body(most + 1)})
		require.Error(t, err)
		if announced != 0 {
			require.ErrorIs(t, err, chatbox.FileSize)
		}
	}
	_, err := b.Upload(t.Context(), ann, files.Incoming{Size: 1 << 40, Body: breaking{strings.NewReader(""), errBroken}})
	require.ErrorIs(t, err, chatbox.FileSize, "before the body is read")
	assert.Len(t, b.names(t), before)
	assert.Empty(t, b.open)
}

func TestUpload_Quota(t *testing.T) {
	b := newBench(t, func(cfg *files.Config, _ *files.Deps) { cfg.BytesPerDay, cfg.FilesPerDay = 1000, 2 })
	b.stored(t, "a", bytes.Repeat([]byte("x"), 900))
	_, err := b.upload(t, "b", bytes.Repeat([]byte("x"), 101))
	require.ErrorIs(t, err, chatbox.RateLimited)
	e := new(chatbox.Error)
	require.ErrorAs(t, err, &e)
	assert.LessOrEqual(t, e.RetryAfter, 24*time.Hour)
	b.stored(t, "c", bytes.Repeat([]byte("x"), 100))
	_, err = b.upload(t, "d", []byte("x"))
	require.ErrorIs(t, err, chatbox.RateLimited)
	assert.Len(t, b.names(t), 2)
}

// An upload keeps its reservation for as long as it lives, and others are told to
// wait for its end and not for tomorrow.
func TestUpload_ReservationsOfUploadsUnderWay(t *testing.T) {
	b := newBench(t, func(cfg *files.Config, _ *files.Deps) { cfg.BytesPerDay, cfg.RenewEvery = 100_000, time.Millisecond })
	b.renewed = make(chan string)
	body, client := io.Pipe()
	var under sync.WaitGroup
	under.Go(func() {
		_, err := b.Upload(t.Context(), ann, files.Incoming{Name: "slow.txt", Size: 50_000, Body: body})
		assert.NoError(t, err)
	})
	_, err := client.Write([]byte("slow"))
	require.NoError(t, err)
	first := <-b.renewed
	assert.Equal(t, first, <-b.renewed, "again and again")
	for _, size := range []int64{-1, 30_000} {
		_, err = b.Upload(t.Context(), ann, files.Incoming{Name: "b", Size: size, Body: endlessText{}})
		require.ErrorIs(t, err, chatbox.RateLimited)
		var refused *chatbox.Error
		require.ErrorAs(t, err, &refused)
		if size > 0 {
			assert.Equal(t, time.Minute, refused.RetryAfter)
		} else {
			assert.Greater(t, refused.RetryAfter, time.Minute, "an upload of unknown size may want more than the day has")
		}
	}
	require.NoError(t, client.Close())
	under.Wait()
	assert.Empty(t, b.open)
	assert.Equal(t, []int64{4}, b.settled)
}

func TestUpload_BrokenOffLeavesNothing(t *testing.T) {
	b := newBench(t)
	jpg := jpegOf(t, quarters(2000, 1000))
	for _, content := range [][]byte{jpg[:len(jpg)/2], bytes.Repeat([]byte("words "), 50_000), []byte("w"), nil} {
		for _, broken := range []error{errBroken, io.ErrUnexpectedEOF} {
			_, err := b.Upload(t.Context(), ann, files.Incoming{Name: "x", Size: -1, Body: breaking{bytes.NewReader(content), broken}})
			require.ErrorIs(t, err, chatbox.InvalidArgument)
			require.ErrorIs(t, err, broken)
		}
	}
	assert.Empty(t, b.names(t))
	assert.Empty(t, b.open)
	assert.Equal(t, 8, b.outcomes[files.OutcomeBroken])
}

func TestUpload_RepeatsGetTheFirstAnswer(t *testing.T) {
	b := newBench(t)
	const racers = 6
	var wg sync.WaitGroup
	got := make(chan chatbox.File, racers)
	for i := range racers {
		wg.Go(func() {
			f, err := b.Upload(t.Context(), ann, files.Incoming{Name: fmt.Sprint(i), Size: -1, Body: strings.NewReader(fmt.Sprint("content ", i)), Key: "once"})
			if assert.NoError(t, err) {
				got <- f
			}
		})
	}
	wg.Wait()
	close(got)
	require.Len(t, got, racers)
	first := <-got
	for f := range got {
		assert.Equal(t, first, f)
	}
	assert.Len(t, b.names(t), 1)
	assert.Len(t, b.settled, 1, "counted once")
	f, err := b.First(t.Context(), ann, "once")
	require.NoError(t, err)
	assert.Equal(t, first, f)
	_, err = b.First(t.Context(), bob, "once")
	require.ErrorIs(t, err, chatbox.NotFound, "per user")
}

func TestUpload_PicturesLoseTheirMetadata(t *testing.T) {
	b := newBench(t)
	jpg, pic := jpegOf(t, quarters(64, 32)), pngOf(t, quarters(64, 32))
	exif := append([]byte("Exif\x00\x00"), tiff(1)...)
	gifs := gifOf(t, 2)
	comment := append([]byte{0x21, 0xFE, 6}, "CANARY\x00"...)
	for name, content := range map[string][]byte{
		"exif.jpg":    withSegment(jpg, 0xE1, exif),
		"xmp.jpg":     withSegment(jpg, 0xE1, []byte("http://ns.adobe.com/xap/1.0/\x00CANARY")),
		"iptc.jpg":    withSegment(jpg, 0xED, []byte("Photoshop 3.0\x00CANARY")),
		"comment.jpg": withSegment(jpg, 0xFE, []byte("CANARY")),
		"trailer.jpg": append(bytes.Clone(jpg), "CANARY<script>"...),
		"text.png":    withChunk(pic, "tEXt", []byte("Comment\x00CANARY")),
		"exif.png":    withChunk(pic, "eXIf", tiff(1)),
		"unknown.png": withChunk(pic, "caNa", []byte("CANARY")),
		"trailer.png": append(bytes.Clone(pic), "CANARY<script>"...),
		"comment.gif": bytes.Join([][]byte{gifs[:len(gifs)-1], comment, {0x3B}}, nil),
		"trailer.gif": append(bytes.Clone(gifs), "CANARY<script>"...),
		"exif.webp":   webpOf(t, riff("EXIF", tiff(6)), riff("XMP ", []byte("CANARY!"))),
		"frame.webp": webpOf(t, riff("ANMF", bytes.Join([][]byte{
			make([]byte, 16), riff("VP8L", []byte{0x2F}), riff("EXIF", tiff(6)), riff("XMP ", []byte("CANARY!")), riff("ICCP", []byte("CANARY")), riff("pHYs", []byte("CANARY")), []byte("CANARY"),
		}, nil))),
		"trailer.webp": append(webpOf(t), "CANARY<script>"...),
	} {
		f := b.stored(t, name, content)
		_, all, err := b.read(t, ann, f.Key.ID, 0)
		require.NoError(t, err, name)
		assert.NotContains(t, string(all), "CANARY", name)
		assert.NotContains(t, string(all), "Exif", name)
		assert.NotContains(t, string(all), "script", name)
		if !strings.HasSuffix(name, "webp") {
			_, kind, err := image.Decode(bytes.NewReader(all))
			require.NoError(t, err, name)
			assert.Contains(t, f.ContentType, kind)
		}
	}
	f := b.stored(t, "moving.gif", gifOf(t, 4))
	_, all, err := b.read(t, ann, f.Key.ID, 0)
	require.NoError(t, err)
	g, err := gif.DecodeAll(bytes.NewReader(all))
	require.NoError(t, err)
	assert.Len(t, g.Image, 4, "animations stay")
	assert.Equal(t, 3, g.LoopCount)
	f = b.stored(t, "plain.jpg", jpg)
	_, all, err = b.read(t, ann, f.Key.ID, 0)
	require.NoError(t, err)
	assert.Equal(t, jpg, all, "without metadata nothing changes")
}

func TestUpload_PicturesAreUpright(t *testing.T) {
	b := newBench(t)
	// The corner that is shown at the top left, by orientation.
	corners := map[uint16]color.RGBA{
		1: {255, 0, 0, 255}, 2: {0, 255, 0, 255}, 3: {255, 255, 255, 255}, 4: {0, 0, 255, 255},
		5: {255, 0, 0, 255}, 6: {0, 0, 255, 255}, 7: {255, 255, 255, 255}, 8: {0, 255, 0, 255},
	}
	for o, want := range corners {
		for name, content := range map[string][]byte{
			"jpg": withSegment(jpegOf(t, quarters(64, 32)), 0xE1, append([]byte("Exif\x00\x00"), tiff(o)...)),
			"png": withChunk(pngOf(t, quarters(64, 32)), "eXIf", tiff(o)),
		} {
			f := b.stored(t, name, content)
			_, all, err := b.read(t, ann, f.Key.ID, 0)
			require.NoError(t, err)
			img, _, err := image.Decode(bytes.NewReader(all))
			require.NoError(t, err)
			w, h := 64, 32
			if o >= 5 {
				w, h = h, w
			}
			assert.Equal(t, image.Pt(w, h), img.Bounds().Size(), "%s %d", name, o)
			assert.Equal(t, [2]int{w, h}, [2]int{f.Width, f.Height})
			r, g, bl, _ := img.At(3, 3).RGBA()
			for i, v := range []uint32{r, g, bl} {
				assert.InDelta(t, []uint8{want.R, want.G, want.B}[i], v>>8, 40, "%s %d", name, o)
			}
			assert.NotContains(t, string(all), "CANARY")
		}
	}
	assert.Len(t, b.names(t), 16, "the first form does not stay")
}

func TestUpload_Durations(t *testing.T) {
	b := newBench(t)
	assert.Equal(t, 2*time.Second, b.stored(t, "a.wav", wavOf(2)).Duration)
	be := binary.BigEndian
	mvhd := be.AppendUint32(make([]byte, 12), 1000)
	mvhd = append(be.AppendUint32(mvhd, 2500), make([]byte, 80)...)
	box := func(kind string, body []byte) []byte {
		return append(append(be.AppendUint32(nil, uint32(8+len(body))), kind...), body...)
	}
	hdlr := box("hdlr", append(make([]byte, 8), "soun0000"...))
	for _, brand := range []string{"M4A ", "isom"} {
		f := b.stored(t, "a.mp4", bytes.Join([][]byte{
			box("ftyp", []byte(brand+"\x00\x00\x00\x00"+brand)), box("mdat", make([]byte, 100_000)), box("moov", append(box("mvhd", mvhd), hdlr...)),
		}, nil))
		assert.Equal(t, 2500*time.Millisecond, f.Duration)
		assert.Equal(t, "audio/mp4", f.ContentType)
	}
}

func TestContent_SmallerPictures(t *testing.T) {
	made := 0
	b := newBench(t, func(_ *files.Config, d *files.Deps) { d.Blobs = counting{d.Blobs, &made} })
	f := b.stored(t, "a.jpg", jpegOf(t, quarters(1000, 500)))
	before := made
	for given, w := range map[int]int{1: 160, 100: 160, 160: 160, 161: 320, 200: 320, 320: 320, 321: 640, 640: 640} {
		for range 2 {
			l, err := b.Link(t.Context(), ann, f.Key.ID, given)
			require.NoError(t, err)
			n := made
			_, err = b.Content(t.Context(), l)
			require.NoError(t, err)
			assert.Equal(t, n, made, "nothing is made before somebody reads")
			c, all, err := b.read(t, ann, f.Key.ID, given)
			require.NoError(t, err)
			img, _, err := image.Decode(bytes.NewReader(all))
			require.NoError(t, err)
			assert.Equal(t, image.Pt(w, max(1, w/2)), img.Bounds().Size())
			assert.Len(t, all, int(c.Size))
		}
	}
	assert.Equal(t, 3, made-before, "each width is made once")
	for _, w := range []int{641, 1000, 1600} {
		_, all, err := b.read(t, ann, f.Key.ID, w)
		require.NoError(t, err)
		assert.Len(t, all, int(f.Size), "never larger than it is")
	}
	assert.Len(t, b.names(t), 4, "few are stored")
	text := b.stored(t, "a.txt", []byte("x"))
	_, err := b.Link(t.Context(), ann, text.Key.ID, 100)
	require.ErrorIs(t, err, chatbox.InvalidArgument)
}

func TestLink_Rights(t *testing.T) {
	b := newBench(t)
	f := b.stored(t, "a.txt", []byte("x"))
	may := func(a chatbox.Actor) bool {
		t.Helper()
		_, err := b.Link(t.Context(), a, f.Key.ID, 0)
		if err != nil {
			require.ErrorIs(t, err, chatbox.NotFound)
		}
		return err == nil
	}
	assert.True(t, may(ann))
	assert.False(t, may(bob))
	assert.False(t, may(chatbox.Actor{Tenant: "u", UserID: "ann"}))
	assert.False(t, may(chatbox.Actor{Tenant: "u", UserID: "sam", Roles: sam.Roles}))
	assert.Empty(t, b.audited)
	assert.True(t, may(sam))
	assert.Equal(t, []chatbox.AuditAction{chatbox.AuditFileRead}, b.audited)
	k := chatbox.SessionKey{Tenant: "t", ID: "s"}
	b.sessions["s"] = chatbox.Session{Key: k, Owner: "bob", State: chatbox.State{HolderID: "sam"}}
	_, err := b.Use(t.Context(), bob, k, "file_ids", []string{f.Key.ID})
	require.ErrorIs(t, err, chatbox.NotFound, "not bob's")
	e := new(chatbox.Error)
	require.ErrorAs(t, err, &e)
	assert.Equal(t, "file_ids", e.Field)
	_, err = b.Use(t.Context(), ann, k, "file_ids", []string{f.Key.ID})
	require.NoError(t, err)
	assert.True(t, may(bob), "the owner of the session that has it")
	b.audited = nil
	assert.True(t, may(sam))
	assert.Empty(t, b.audited, "the holder, whose takeover is on record")
	s := b.sessions["s"]
	s.State.HolderID = ""
	b.sessions["s"] = s
	b.watched = "s/sam"
	assert.True(t, may(sam))
	assert.Empty(t, b.audited, "a watcher")
	s.State.Erased = true
	b.sessions["s"] = s
	assert.False(t, may(bob))
}

func TestContent_OnlyByItsLink(t *testing.T) {
	b := newBench(t)
	f, g := b.stored(t, "a.png", pngOf(t, quarters(400, 200))), b.stored(t, "b.png", pngOf(t, quarters(400, 200)))
	good, err := b.Link(t.Context(), ann, f.Key.ID, 100)
	require.NoError(t, err)
	_, err = b.Content(t.Context(), good)
	require.NoError(t, err)
	for name, change := range map[string]func(l *files.Link){
		"another file":   func(l *files.Link) { l.File = g.Key },
		"another tenant": func(l *files.Link) { l.File.Tenant = "u" },
		"no width":       func(l *files.Link) { l.Width = 0 },
		"another width":  func(l *files.Link) { l.Width = 101 },
		"a later end":    func(l *files.Link) { l.Ends = l.Ends.Add(time.Second) },
		"no signature":   func(l *files.Link) { l.Sig = "" },
		"cut signature":  func(l *files.Link) { l.Sig = l.Sig[:len(l.Sig)-1] },
		"longer":         func(l *files.Link) { l.Sig += "A" },
		"other bits":     func(l *files.Link) { l.Sig = l.Sig[:len(l.Sig)-1] + string(l.Sig[len(l.Sig)-1]+1) },
		"broken line":    func(l *files.Link) { l.Sig = l.Sig[:4] + "\n" + l.Sig[4:] },
		"altered":        func(l *files.Link) { l.Sig = string(l.Sig[0]^3) + l.Sig[1:] },
	} {
		l := good
		change(&l)
		_, err := b.Content(t.Context(), l)
		require.ErrorIs(t, err, chatbox.PermissionDenied, name)
	}
	b.pass(5*time.Minute + 2*time.Second)
	_, err = b.Content(t.Context(), good)
	require.ErrorIs(t, err, chatbox.PermissionDenied, "it has ended")
}

func TestRelease_FromTheEraseOnNothingIsServed(t *testing.T) {
	b := newBench(t)
	f, shared := b.stored(t, "a.png", pngOf(t, quarters(400, 200))), b.stored(t, "b.txt", []byte("x"))
	one, two := chatbox.SessionKey{Tenant: "t", ID: "one"}, chatbox.SessionKey{Tenant: "t", ID: "two"}
	_, err := b.Use(t.Context(), ann, one, "file_ids", []string{f.Key.ID, shared.Key.ID})
	require.NoError(t, err)
	_, err = b.Use(t.Context(), ann, two, "file_ids", []string{shared.Key.ID})
	require.NoError(t, err)
	_, _, err = b.read(t, ann, f.Key.ID, 160)
	require.NoError(t, err)
	l, err := b.Link(t.Context(), ann, f.Key.ID, 0)
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, b.Release(t.Context(), one))
	}
	_, err = b.Content(t.Context(), l)
	require.ErrorIs(t, err, chatbox.NotFound)
	_, err = b.Link(t.Context(), ann, f.Key.ID, 0)
	require.ErrorIs(t, err, chatbox.NotFound)
	assert.Len(t, b.names(t), 1, "with its smaller pictures")
	_, _, err = b.read(t, ann, shared.Key.ID, 0)
	require.NoError(t, err, "another session has it")
	require.NoError(t, b.ForgetPerson(t.Context(), ann.User(), b.now()))
	got, err := b.store.Files().Get(t.Context(), shared.Key)
	require.NoError(t, err)
	assert.Empty(t, got.Owner)
	unused := b.stored(t, "c.txt", []byte("x"))
	require.NoError(t, b.ForgetPerson(t.Context(), ann.User(), b.now()))
	_, err = b.store.Files().Get(t.Context(), unused.Key)
	require.ErrorIs(t, err, chatbox.NotFound)
	assert.Len(t, b.names(t), 1)
}

// Canary bytes are in no blob, record or log.
func TestUpload_NothingReadableAtRest(t *testing.T) {
	b := newBench(t)
	const canary = "CANARY-5e1f"
	f := b.stored(t, canary+".txt", []byte("text "+canary))
	_, err := b.upload(t, canary+".exe", []byte("\x7fELF "+canary))
	require.Error(t, err)
	_, err = b.Link(t.Context(), bob, f.Key.ID, 0)
	require.Error(t, err)
	err = filepath.WalkDir(filepath.Dir(b.folder), func(path string, d os.DirEntry, err error) error {
		assert.NotContains(t, path, "CANARY")
		assert.NotContains(t, path, "ann")
		if err == nil && !d.IsDir() {
			raw, rerr := os.ReadFile(path)
			assert.NotContains(t, string(raw), canary, path)
			return rerr
		}
		return err
	})
	require.NoError(t, err)
	assert.NotContains(t, b.log.String(), "CANARY")
}

// A real WebP with a place of shooting and an orientation: the place goes, the
// orientation stays, because there is no encoder for WebP.
func TestUpload_WebPLosesItsPlaceAndKeepsItsOrientation(t *testing.T) {
	b := newBench(t)
	content, err := os.ReadFile("testdata/upright.webp")
	require.NoError(t, err)
	place := []byte{0, 0, 0, 52, 0, 0, 0, 1, 0, 0, 0, 30, 0, 0, 0, 1} // 52 degrees and 30 minutes
	require.True(t, bytes.Contains(content, place))
	require.True(t, bytes.Contains(content, []byte("CANARY-ARTIST")))
	f := b.stored(t, "a.webp", content)
	_, all, err := b.read(t, ann, f.Key.ID, 0)
	require.NoError(t, err)
	assert.False(t, bytes.Contains(all, place))
	assert.False(t, bytes.Contains(all, []byte("CANARY")))
	assert.Equal(t, [2]int{32, 64}, [2]int{f.Width, f.Height}, "as shown")
	at := bytes.Index(all, []byte("EXIF"))
	require.Positive(t, at)
	assert.Equal(t, []byte{0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0}, all[at+18:at+28], "the only entry is the orientation")
	f = b.stored(t, "plain.webp", plainWebP(400, 200, riff("EXIF", tiff(6))))
	_, small, err := b.read(t, ann, f.Key.ID, 160)
	require.NoError(t, err)
	img, _, err := image.Decode(bytes.NewReader(small))
	require.NoError(t, err)
	assert.Equal(t, image.Pt(160, 320), img.Bounds().Size(), "upright")
}

// plainWebP is a lossless picture of one colour, with further chunks.
func plainWebP(w, h int, extra []byte) []byte {
	var bits uint64 // after the size: no alpha, version 0, no transform, no cache, one group of five codes of the symbol 0
	at := 0
	put := func(v uint64, n int) { bits |= v << at; at += n }
	put(0, 1+3+1+1+1)
	for range 5 {
		put(1, 4) // a simple code of one symbol of one bit, which is 0
	}
	pixels := append([]byte{0x2F}, binary.LittleEndian.AppendUint32(nil, uint32(w-1)|uint32(h-1)<<14|uint32(bits&0xF)<<28)...)
	pixels = append(pixels, binary.LittleEndian.AppendUint64(nil, bits>>4)...)
	canvas := []byte{0x08, 0, 0, 0, byte(w - 1), byte((w - 1) >> 8), 0, byte(h - 1), byte((h - 1) >> 8), 0}
	body := bytes.Join([][]byte{[]byte("WEBP"), riff("VP8X", canvas), riff("VP8L", pixels), extra}, nil)
	return riff("RIFF", body)
}

// A frame of an animation keeps its place and its pixels, byte for byte, and the file
// its size.
func TestUpload_WebPFramesStay(t *testing.T) {
	b := newBench(t)
	pixels := riff("VP8L", append([]byte{0x2F}, bytes.Repeat([]byte("pixel"), 1000)...))
	alpha := riff("ALPH", []byte("transparent"))
	frame := append([]byte("0123456789abcdef"), append(alpha, pixels...)...)
	content := webpOf(t, riff("ANIM", []byte("anim..")), riff("ANMF", frame), riff("ANMF", append(frame, riff("XMP ", []byte("CANARY"))...)))
	f := b.stored(t, "a.webp", content)
	_, all, err := b.read(t, ann, f.Key.ID, 0)
	require.NoError(t, err)
	assert.Len(t, all, len(content))
	assert.Equal(t, 2, bytes.Count(all, frame))
	for name, inner := range map[string][]byte{
		"too short": []byte("0123456789"), "overrun": append(frame, "XMP \xff\xff\x00\x00CANARY"...), "huge": append(frame, "XMP \xff\xff\xff\xffCANARY"...),
	} {
		_, err = b.upload(t, "a.webp", webpOf(t, riff("ANMF", inner)))
		require.ErrorIs(t, err, chatbox.FileType, name)
	}
}

// The canvas of a WebP that says less than its pixels would let them be decoded
// into memory that was not reserved.
func TestUpload_WebPWithAnotherCanvasIsDamaged(t *testing.T) {
	b := newBench(t)
	content := webpOf(t)
	content[24] = 200 // the width of the canvas; the pixels are 1x1
	_, err := b.upload(t, "a.webp", content)
	require.ErrorIs(t, err, chatbox.FileType)
}

// A link of a pod whose keys are older is valid on pods whose keys were rotated,
// and the other way round, until it ends.
func TestLink_OutlivesARotationOfKeys(t *testing.T) {
	old := persistence.Key{ID: "k", Secret: [32]byte{1, 2, 3}}
	rotated, err := persistence.NewKeyring([]persistence.Key{{ID: "next", Secret: [32]byte{4}}, old})
	require.NoError(t, err)
	before, err := persistence.NewKeyring([]persistence.Key{old, {ID: "next", Secret: [32]byte{4}}})
	require.NoError(t, err)
	without, err := persistence.NewKeyring([]persistence.Key{{ID: "next", Secret: [32]byte{4}}})
	require.NoError(t, err)
	var d files.Deps
	b := newBench(t, func(_ *files.Config, deps *files.Deps) { deps.Signer = before; d = *deps })
	pod := func(keys *persistence.Keyring) *files.Service {
		deps := d
		deps.Signer = keys
		return files.New(b.cfg, deps)
	}
	f := b.stored(t, "a.txt", []byte("x"))
	for _, from := range []*persistence.Keyring{before, rotated} {
		l, err := pod(from).Link(t.Context(), ann, f.Key.ID, 0)
		require.NoError(t, err)
		for _, at := range []*persistence.Keyring{before, rotated} {
			_, err = pod(at).Content(t.Context(), l)
			require.NoError(t, err)
		}
		if from == before {
			_, err = pod(without).Content(t.Context(), l)
			require.ErrorIs(t, err, chatbox.PermissionDenied, "its key was removed")
		}
	}
	l, err := pod(before).Link(t.Context(), ann, f.Key.ID, 0)
	require.NoError(t, err)
	b.pass(5*time.Minute + 2*time.Second)
	_, err = pod(rotated).Content(t.Context(), l)
	require.ErrorIs(t, err, chatbox.PermissionDenied)
}

// A picture that cannot be decoded is served as it is, and is decoded once. So is a
// strip whose smaller forms would not be stored.
func TestContent_PicturesThatCannotBeMadeSmaller(t *testing.T) {
	made := 0
	b := newBench(t, func(_ *files.Config, d *files.Deps) { d.Blobs = counting{d.Blobs, &made} })
	for name, content := range map[string][]byte{"no pixels": bomb(t, 3000, 3000), "strip": bomb(t, 100, 400_000)} {
		f := b.stored(t, "a.png", content)
		before := made
		for range 3 {
			c, all, err := b.read(t, ann, f.Key.ID, 50)
			require.NoError(t, err, name)
			assert.Equal(t, f.Size, c.Size, name)
			assert.Equal(t, content, all, name)
		}
		assert.LessOrEqual(t, made-before, 1, name)
	}
}

// counting counts writes.
type counting struct {
	files.Blobs
	n *int
}

func (c counting) Write(ctx context.Context, name string, k chatbox.FileKey, part string, fill func(io.Writer) error) error {
	*c.n++
	return c.Blobs.Write(ctx, name, k, part, fill)
}
