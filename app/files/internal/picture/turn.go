package picture

import (
	"image"

	"golang.org/x/image/draw"
)

// upright applies an EXIF orientation. It copies pixels as they are stored, since
// conversions of colours would take most of a minute for a large picture.
func upright(img image.Image, orientation int) image.Image {
	if orientation <= 1 || orientation > 8 {
		return img
	}
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	if orientation >= 5 {
		w, h = h, w
	}
	r := image.Rect(0, 0, w, h)
	if p, ok := img.(*image.YCbCr); ok {
		if out := turnYCbCr(p, orientation, r); out != nil {
			return out
		}
	}
	src, size := planeOf(img)
	if size == 0 {
		return upright(converted(img), orientation)
	}
	out := blank(img, r)
	dst, _ := planeOf(out)
	turnPlane(dst, src, size, orientation)
	return out
}

// planeOf returns the pixels of a picture and the size of each in bytes. The size is
// 0 for a picture that must be converted first.
func planeOf(img image.Image) (pixels plane, size int) {
	b := img.Bounds()
	at := func(pix []byte, offset, stride int) plane { return plane{pix[offset:], stride, b.Dx(), b.Dy()} }
	x, y := b.Min.X, b.Min.Y
	switch p := img.(type) {
	case *image.Gray:
		return at(p.Pix, p.PixOffset(x, y), p.Stride), 1
	case *image.Paletted:
		return at(p.Pix, p.PixOffset(x, y), p.Stride), 1
	case *image.NRGBA:
		return at(p.Pix, p.PixOffset(x, y), p.Stride), 4
	case *image.RGBA:
		return at(p.Pix, p.PixOffset(x, y), p.Stride), 4
	case *image.NRGBA64:
		return at(p.Pix, p.PixOffset(x, y), p.Stride), 8
	case *image.RGBA64:
		return at(p.Pix, p.PixOffset(x, y), p.Stride), 8
	default:
		return plane{}, 0
	}
}

// blank returns an empty picture of the same form, of those that planeOf knows.
func blank(img image.Image, r image.Rectangle) image.Image {
	switch p := img.(type) {
	case *image.Gray:
		return image.NewGray(r)
	case *image.Paletted:
		return image.NewPaletted(r, p.Palette)
	case *image.NRGBA:
		return image.NewNRGBA(r)
	case *image.NRGBA64:
		return image.NewNRGBA64(r)
	case *image.RGBA64:
		return image.NewRGBA64(r)
	default:
		return image.NewRGBA(r)
	}
}

// converted returns the picture in a form that upright copies.
func converted(img image.Image) *image.RGBA {
	b := img.Bounds()
	out := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(out, out.Bounds(), img, b.Min, draw.Src)
	return out
}

// plane is a rectangle of values of equal size.
type plane struct {
	pix    []byte
	stride int
	w, h   int
}

// turnPlane copies the values of src, of size bytes each, to where they are shown.
func turnPlane(dst, src plane, size, orientation int) {
	for y := range dst.h {
		row := dst.pix[y*dst.stride:]
		for x := range dst.w {
			sx, sy := origin(orientation, x, y, src.w, src.h)
			at := sy*src.stride + sx*size
			copy(row[x*size:x*size+size], src.pix[at:at+size])
		}
	}
}

// turnYCbCr turns brightness and colours apart. It returns nil for a ratio of
// colours that has no counterpart.
func turnYCbCr(p *image.YCbCr, orientation int, r image.Rectangle) image.Image {
	ratio := p.SubsampleRatio
	if orientation >= 5 {
		switch ratio {
		case image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio420:
		case image.YCbCrSubsampleRatio422:
			ratio = image.YCbCrSubsampleRatio440
		case image.YCbCrSubsampleRatio440:
			ratio = image.YCbCrSubsampleRatio422
		default:
			return nil
		}
	}
	b := p.Bounds()
	out := image.NewYCbCr(r, ratio)
	turnPlane(plane{out.Y, out.YStride, r.Dx(), r.Dy()}, plane{p.Y[p.YOffset(b.Min.X, b.Min.Y):], p.YStride, b.Dx(), b.Dy()}, 1, orientation)
	colours := p.COffset(b.Min.X, b.Min.Y)
	cw, ch := out.CStride, len(out.Cb)/max(1, out.CStride)
	sw, sh := cw, ch
	if orientation >= 5 {
		sw, sh = ch, cw
	}
	turnPlane(plane{out.Cb, out.CStride, cw, ch}, plane{p.Cb[colours:], p.CStride, sw, sh}, 1, orientation)
	turnPlane(plane{out.Cr, out.CStride, cw, ch}, plane{p.Cr[colours:], p.CStride, sw, sh}, 1, orientation)
	return out
}

// origin returns the stored pixel that is shown at x, y.
func origin(orientation, x, y, w, h int) (sx, sy int) {
	switch orientation {
	case 2:
		return w - 1 - x, y
	case 3:
		return w - 1 - x, h - 1 - y
	case 4:
		return x, h - 1 - y
	case 5:
		return y, x
	case 6:
		return y, h - 1 - x
	case 7:
		return w - 1 - y, h - 1 - x
	default: // 8
		return w - 1 - y, x
	}
}
