package picture

import (
	"bufio"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/draw"
	"golang.org/x/image/webp"
)

// quality of JPEGs that are written.
const quality = 90

// DecodedSize estimates the bytes of memory that Rotate or Shrink needs.
func DecodedSize(contentType string, width, height int) int64 {
	perPixel := int64(8)
	if contentType == JPEG {
		perPixel = 6
	}
	return int64(width) * int64(height) * perPixel
}

// decode decodes a picture that affordable allows. turned: a turned copy follows.
func decode(contentType string, src io.Reader, turned bool) (image.Image, error) {
	src, err := affordable(contentType, bufio.NewReader(src), turned)
	if err != nil {
		return nil, err
	}
	var img image.Image
	switch contentType {
	case JPEG:
		img, err = jpeg.Decode(src)
	case PNG:
		img, err = png.Decode(src)
	case GIF:
		img, err = gif.Decode(src) // its first frame
	case WebP:
		img, err = webp.Decode(src)
	default:
		return nil, ErrDamaged
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return img, nil
}

// Rotate decodes a JPEG or PNG, applies the EXIF orientation and writes the result
// as the same type. It returns ErrCostly if that needs too much memory.
func Rotate(contentType string, orientation int, dst io.Writer, src io.Reader) error {
	img, err := decode(contentType, src, true)
	if err != nil {
		return err
	}
	return encode(contentType, dst, upright(img, orientation))
}

// Shrink writes the picture at the given width, which must be smaller than its
// own, as its SmallType. Of an animation it is the first frame. orientation is
// applied.
func Shrink(contentType string, orientation, width int, dst io.Writer, src io.Reader) error {
	img, err := decode(contentType, src, false)
	if err != nil {
		return err
	}
	b := img.Bounds()
	target := width
	if orientation >= 5 { // it is turned afterwards: what is shown as width is the height now
		target = max(1, width*b.Dx()/b.Dy())
	}
	height := max(1, int(int64(b.Dy())*int64(target)/int64(b.Dx())))
	small := image.NewRGBA(image.Rect(0, 0, target, height))
	draw.ApproxBiLinear.Scale(small, small.Bounds(), img, b, draw.Src, nil)
	return encode(SmallType(contentType), dst, upright(small, orientation))
}

// SmallType returns the type of a smaller picture: JPEG for JPEG, else PNG.
func SmallType(contentType string) string {
	if contentType == JPEG {
		return JPEG
	}
	return PNG
}

func encode(contentType string, dst io.Writer, img image.Image) error {
	w := bufio.NewWriter(dst)
	var err error
	if contentType == JPEG {
		err = jpeg.Encode(w, img, &jpeg.Options{Quality: quality})
	} else {
		err = (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(w, img)
	}
	if err != nil {
		return err
	}
	return w.Flush()
}
