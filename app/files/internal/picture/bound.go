package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"

	"golang.org/x/image/draw"
)

// Within returns the measures of a picture after it is made small enough that no
// side is longer than side.
func Within(width, height, side int) (w, h int) {
	longest := int64(max(width, height))
	if longest <= int64(side) {
		return width, height
	}
	scale := func(n int) int { return max(1, int(int64(n)*int64(side)/longest)) }
	return scale(width), scale(height)
}

// Bound writes the picture as a JPEG of at most most bytes, with no side longer
// than side. The orientation is applied. Transparent parts become white. Of an
// animation it is the first frame.
func Bound(contentType string, orientation, side, most int, dst io.Writer, src io.Reader) error {
	img, err := decode(contentType, src, false)
	if err != nil {
		return err
	}
	b := img.Bounds()
	w, h := Within(b.Dx(), b.Dy(), side)
	small := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(small, small.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.ApproxBiLinear.Scale(small, small.Bounds(), img, b, draw.Over, nil)
	shown := upright(small, orientation)
	for _, quality := range []int{85, 60, 30, 10} {
		var out bytes.Buffer
		if err := jpeg.Encode(&out, shown, &jpeg.Options{Quality: quality}); err != nil {
			return err
		}
		if out.Len() <= most {
			_, err := dst.Write(out.Bytes())
			return err
		}
	}
	return fmt.Errorf("%w: it cannot be made small enough", ErrDamaged)
}
