package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/webp"
)

// maxMemory is the maximum memory in bytes of a decoded picture and its turned copy.
// Beside a pod it fits into 1 GiB. Nearly all pictures of 50 megapixels need less. A
// progressive JPEG or a PNG of 16 bits may have about half of that.
const maxMemory = 400 << 20

// ErrCostly is the error for a picture that needs too much memory.
var ErrCostly = errors.New("the picture needs too much memory to be processed")

// maxHeader bounds the bytes before a picture's measures, such as a colour profile.
const maxHeader = 4 << 20

// affordable returns a reader of all of src. It returns ErrCostly if decoding the
// picture, or decoding and turning it, needs more than maxMemory.
func affordable(contentType string, src io.Reader, turned bool) (io.Reader, error) {
	var header bytes.Buffer
	c, err := config(contentType, io.TeeReader(io.LimitReader(src, maxHeader), &header))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	perPixel := valueSize(c.ColorModel)
	copied := perPixel
	if contentType == JPEG {
		perPixel, copied = jpegCost(header.Bytes())
	}
	if turned {
		perPixel += copied
	}
	if int64(c.Width)*int64(c.Height)*perPixel > maxMemory {
		return nil, ErrCostly
	}
	return io.MultiReader(&header, src), nil
}

func config(contentType string, r io.Reader) (image.Config, error) {
	switch contentType {
	case JPEG:
		return jpeg.DecodeConfig(r)
	case PNG:
		return png.DecodeConfig(r)
	case GIF:
		return gif.DecodeConfig(r)
	case WebP:
		return webp.DecodeConfig(r)
	default:
		return image.Config{}, ErrDamaged
	}
}

// valueSize returns the bytes of a pixel in a decoded picture.
func valueSize(m color.Model) int64 {
	switch m {
	case color.NRGBA64Model, color.RGBA64Model:
		return 8
	case color.GrayModel:
		return 1
	case color.Gray16Model: // it is converted to be turned
		return 4
	}
	if _, ok := m.(color.Palette); ok {
		return 1
	}
	return 4
}

// jpegCost returns the bytes of a pixel that the decoder of the standard library
// needs, and those of a copy. A progressive picture has coefficients of 4 bytes.
func jpegCost(header []byte) (perPixel, copied int64) {
	marker, components := jpegFrameOf(header)
	perPixel, copied = components, components
	if components > 3 { // CMYK is converted
		perPixel, copied = perPixel+4, 2*4
	}
	if marker == jpegProgressive {
		perPixel += 4 * components
	}
	return perPixel, copied
}

const jpegProgressive = 0xC2

// jpegFrameOf returns the marker and the number of components of the first frame. If
// it finds no frame, it returns those that need the most memory.
func jpegFrameOf(header []byte) (marker byte, components int64) {
	for at := 2; at+10 <= len(header); {
		if header[at] != 0xFF {
			break
		}
		marker = header[at+1]
		if marker == 0xFF { // a fill byte
			at++
			continue
		}
		if jpegFrame(marker) {
			return marker, int64(header[at+9])
		}
		at += 2 + int(binary.BigEndian.Uint16(header[at+2:]))
	}
	return jpegProgressive, 4
}
