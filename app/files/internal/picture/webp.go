package picture

import (
	"bufio"
	"encoding/binary"
	"io"
)

// Flags of the chunk VP8X.
const (
	webpXMP  = 0x04
	webpEXIF = 0x08
)

// stripWebP overwrites metadata with empty chunks of the same size, so that the
// file's size, which stands at its beginning, stays right. There is no encoder
// for WebP, so an orientation is kept as an EXIF block that contains nothing
// else.
func stripWebP(w *bufio.Writer, r *in, f *Facts) error {
	var head [12]byte
	if err := r.full(head[:]); err != nil {
		return err
	}
	left := int64(binary.LittleEndian.Uint32(head[4:])) - 4
	if string(head[:4]) != "RIFF" || string(head[8:]) != "WEBP" || left < 8 {
		return ErrDamaged
	}
	_, _ = w.Write(head[:])
	pixels := false
	for left > 0 {
		var chunk [8]byte
		if err := r.full(chunk[:]); err != nil {
			return err
		}
		n := int64(binary.LittleEndian.Uint32(chunk[4:]))
		padded := n + n&1
		if left -= 8 + padded; left < 0 {
			return ErrDamaged
		}
		kind := string(chunk[:4])
		pixels = pixels || kind == "VP8 " || kind == "VP8L" || kind == "ANMF"
		if err := webpChunk(w, r, f, kind, chunk, n, padded); err != nil {
			return err
		}
	}
	if !pixels {
		return ErrDamaged
	}
	return nil
}

func webpChunk(w *bufio.Writer, r *in, f *Facts, kind string, chunk [8]byte, n, padded int64) error {
	switch kind {
	case "VP8X", "VP8 ", "VP8L":
		const most = 10
		var body [most]byte
		got := body[:min(n, most)]
		if err := r.full(got); err != nil {
			return err
		}
		if err := webpMeasure(f, kind, got); err != nil {
			return err
		}
		if kind == "VP8X" {
			got[0] &^= webpXMP
		}
		_, _ = w.Write(chunk[:])
		_, _ = w.Write(got)
		return r.copy(w, padded-int64(len(got)))
	case "ANMF":
		_, _ = w.Write(chunk[:])
		return webpFrame(w, r, n, padded)
	case "ALPH", "ANIM", "ICCP":
		_, _ = w.Write(chunk[:])
		return r.copy(w, padded)
	case "EXIF":
		return webpOrientation(w, r, f, chunk, n, padded)
	default:
		return webpJunk(w, r, chunk, padded)
	}
}

// webpJunk replaces a chunk.
func webpJunk(w *bufio.Writer, r *in, chunk [8]byte, padded int64) error {
	copy(chunk[:], "JUNK")
	_, _ = w.Write(chunk[:])
	if err := r.skip(padded); err != nil {
		return err
	}
	return zeros(w, padded)
}

// webpFrame copies a frame of an animation, which has chunks of its own. Only its
// pixels stay.
func webpFrame(w *bufio.Writer, r *in, n, padded int64) error {
	const place = 16 // where the frame is shown, and for how long
	if n < place {
		return ErrDamaged
	}
	if err := r.copy(w, place); err != nil {
		return err
	}
	left := n - place
	for left >= 8 {
		var chunk [8]byte
		if err := r.full(chunk[:]); err != nil {
			return err
		}
		inner := int64(binary.LittleEndian.Uint32(chunk[4:]))
		inner += inner & 1
		if left -= 8 + inner; left < 0 {
			return ErrDamaged
		}
		var err error
		switch string(chunk[:4]) {
		case "ALPH", "VP8 ", "VP8L":
			_, _ = w.Write(chunk[:])
			err = r.copy(w, inner)
		default:
			err = webpJunk(w, r, chunk, inner)
		}
		if err != nil {
			return err
		}
	}
	rest := left + padded - n // too short for a chunk, and the padding
	if err := r.skip(rest); err != nil {
		return err
	}
	return zeros(w, rest)
}

// webpMeasure reads the measures. Pixels must have those of the canvas, because
// the canvas is what is shown and what memory is reserved for.
func webpMeasure(f *Facts, kind string, b []byte) error {
	if len(b) < 5 || kind != "VP8L" && len(b) < 10 {
		return ErrDamaged
	}
	canvas := [2]int{f.Width, f.Height}
	switch kind {
	case "VP8X":
		f.Width = 1 + int(b[4]) + int(b[5])<<8 + int(b[6])<<16
		f.Height = 1 + int(b[7]) + int(b[8])<<8 + int(b[9])<<16
	case "VP8 ":
		if b[3] != 0x9D || b[4] != 0x01 || b[5] != 0x2A {
			return ErrDamaged
		}
		f.Width, f.Height = int(binary.LittleEndian.Uint16(b[6:])&0x3FFF), int(binary.LittleEndian.Uint16(b[8:])&0x3FFF)
	case "VP8L":
		if b[0] != 0x2F {
			return ErrDamaged
		}
		bits := binary.LittleEndian.Uint32(b[1:])
		f.Width, f.Height = int(bits&0x3FFF)+1, int(bits>>14&0x3FFF)+1
	}
	if canvas[0] != 0 && canvas != [2]int{f.Width, f.Height} {
		return ErrDamaged
	}
	return f.check()
}

// webpOrientation replaces an EXIF block by one that has only the orientation.
func webpOrientation(w *bufio.Writer, r *in, f *Facts, chunk [8]byte, n, padded int64) error {
	body := make([]byte, min(n, maxEXIF))
	if err := r.full(body); err != nil {
		return err
	}
	if err := r.skip(padded - int64(len(body))); err != nil {
		return err
	}
	tiff := body
	if len(tiff) > 6 && string(tiff[:6]) == "Exif\x00\x00" {
		tiff = tiff[6:]
	}
	if o := exifOrientation(tiff); o != 0 {
		f.Orientation = o
	}
	only := []byte{'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, byte(f.Orientation), 0, 0, 0, 0, 0, 0, 0} //nolint:gosec // 1 to 8
	if int64(len(only)) > padded {
		copy(chunk[:], "JUNK")
		only = nil
	}
	_, _ = w.Write(chunk[:])
	_, _ = w.Write(only)
	return zeros(w, padded-int64(len(only)))
}

func zeros(w io.Writer, n int64) error {
	var none [512]byte
	for n > 0 {
		m, err := w.Write(none[:min(n, int64(len(none)))])
		if err != nil {
			return err
		}
		n -= int64(m)
	}
	return nil
}
