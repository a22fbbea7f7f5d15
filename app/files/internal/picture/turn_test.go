package picture

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// noise are pictures of each form that decoders return, within a larger one, so
// that rows are not adjacent.
func noise() map[string]image.Image {
	r := image.Rect(0, 0, 22, 14)
	cut := image.Rect(2, 2, 18, 10)
	fill := func(p []byte) {
		for i := range p {
			p[i] = byte(rand.N(256))
		}
	}
	gray, nrgba, rgba, nrgba64, cmyk, gray16 := image.NewGray(r), image.NewNRGBA(r), image.NewRGBA(r), image.NewNRGBA64(r), image.NewCMYK(r), image.NewGray16(r)
	paletted := image.NewPaletted(r, color.Palette{color.Black, color.White, color.NRGBA{1, 2, 3, 4}})
	for i := range paletted.Pix {
		paletted.Pix[i] = byte(rand.N(3))
	}
	for _, p := range [][]byte{gray.Pix, nrgba.Pix, nrgba64.Pix, cmyk.Pix, gray16.Pix} {
		fill(p)
	}
	for i := range rgba.Pix {
		rgba.Pix[i] = 255 // opaque, so that every value is valid
	}
	all := map[string]image.Image{
		"gray": gray.SubImage(cut), "nrgba": nrgba.SubImage(cut), "rgba": rgba.SubImage(cut), "nrgba64": nrgba64.SubImage(cut),
		"paletted": paletted.SubImage(cut), "cmyk": cmyk.SubImage(cut), "gray16": gray16.SubImage(cut),
	}
	for _, ratio := range []image.YCbCrSubsampleRatio{
		image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420, image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio411,
	} {
		p := image.NewYCbCr(image.Rect(0, 0, 24, 16), ratio)
		fill(p.Y)
		fill(p.Cb)
		fill(p.Cr)
		all["ycbcr "+ratio.String()] = p.SubImage(image.Rect(0, 0, 16, 8))
	}
	return all
}

func TestUpright_MovesEveryPixel(t *testing.T) {
	for name, img := range noise() {
		for orientation := 1; orientation <= 8; orientation++ {
			got := upright(img, orientation)
			b := img.Bounds()
			w, h := b.Dx(), b.Dy()
			if orientation >= 5 {
				w, h = h, w
			}
			require.Equal(t, image.Pt(w, h), got.Bounds().Size(), name)
			for y := range h {
				for x := range w {
					sx, sy := x, y
					if orientation > 1 {
						sx, sy = origin(orientation, x, y, b.Dx(), b.Dy())
					}
					want := color.RGBAModel.Convert(img.At(b.Min.X+sx, b.Min.Y+sy))
					require.Equal(t, want, color.RGBAModel.Convert(got.At(got.Bounds().Min.X+x, got.Bounds().Min.Y+y)), "%s, orientation %d, at %d, %d", name, orientation, x, y)
				}
			}
		}
	}
}

func frameOf(marker, components byte, w, h uint16) []byte {
	out := []byte{0xFF, 0xD8, 0xFF, 0xE2, 0, 4, 'x', 'y', 0xFF, 0xFF, marker, 0, 8 + 3*components, 8}
	out = binary.BigEndian.AppendUint16(out, h)
	out = binary.BigEndian.AppendUint16(out, w)
	out = append(out, components)
	for i := range components {
		out = append(out, i+1, 0x11, 0)
	}
	return append(out, 0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0)
}

func headerOf(depth, kind byte, w, h uint32) []byte {
	body := []byte("IHDR")
	body = binary.BigEndian.AppendUint32(body, w)
	body = binary.BigEndian.AppendUint32(body, h)
	body = append(body, depth, kind, 0, 0, 0)
	out := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	out = append(out, body...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(body))
}

// A small file must not make the pod need much memory.
func TestAffordable(t *testing.T) {
	for name, tc := range map[string]struct {
		contentType string
		header      []byte
		decoded     error
		turned      error
	}{
		"baseline, 50 megapixels":        {JPEG, frameOf(0xC0, 3, 10_000, 5000), nil, nil},
		"progressive, 50 megapixels":     {JPEG, frameOf(0xC2, 3, 10_000, 5000), ErrCostly, ErrCostly},
		"progressive, 20 megapixels":     {JPEG, frameOf(0xC2, 3, 5000, 4000), nil, nil},
		"progressive CMYK, 20":           {JPEG, frameOf(0xC2, 4, 5000, 4000), ErrCostly, ErrCostly},
		"16-bit PNG, 50 megapixels":      {PNG, headerOf(16, 6, 10_000, 5000), nil, ErrCostly},
		"16-bit PNG, 25 megapixels":      {PNG, headerOf(16, 6, 5000, 5000), nil, nil},
		"8-bit PNG, 50 megapixels":       {PNG, headerOf(8, 6, 10_000, 5000), nil, nil},
		"PNG of one brightness, 50":      {PNG, headerOf(8, 0, 10_000, 5000), nil, nil},
		"no picture":                     {PNG, []byte("no picture"), ErrDamaged, ErrDamaged},
		"a header that does not end":     {JPEG, append([]byte{0xFF, 0xD8}, bytes.Repeat([]byte("\xff\xe2\xff\xff"+strings.Repeat("x", 0xFFFD)), 70)...), ErrDamaged, ErrDamaged},
		"a type that is not a picture's": {"text/plain", []byte("x"), ErrDamaged, ErrDamaged},
	} {
		for turned, want := range map[bool]error{false: tc.decoded, true: tc.turned} {
			_, err := affordable(tc.contentType, bytes.NewReader(tc.header), turned)
			if want == nil {
				require.NoError(t, err, name)
				continue
			}
			assert.ErrorIs(t, err, want, name)
		}
	}
}
