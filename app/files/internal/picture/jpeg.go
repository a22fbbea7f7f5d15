package picture

import (
	"bufio"
	"bytes"
	"encoding/binary"
)

// Markers of JPEG.
const (
	jpegSOI  = 0xD8
	jpegEOI  = 0xD9
	jpegSOS  = 0xDA
	jpegAPP0 = 0xE0
	jpegAPP1 = 0xE1
	jpegAPP2 = 0xE2
	jpegAdob = 0xEE
	jpegCOM  = 0xFE
)

// stripJPEG keeps what is needed to show the picture: tables, frames, scans, the
// colour profile and Adobe's note about the colours. EXIF, XMP, IPTC, comments,
// embedded thumbnails and what follows the end are dropped.
func stripJPEG(w *bufio.Writer, r *in, f *Facts) error {
	var start [2]byte
	if err := r.full(start[:]); err != nil {
		return err
	}
	if start != [2]byte{0xFF, jpegSOI} {
		return ErrDamaged
	}
	_, _ = w.Write(start[:]) // a bufio.Writer keeps its error for Flush
	marker, err := nextMarker(r)
	for ; err == nil && marker != jpegEOI; marker, err = nextMarker(r) {
		if err = jpegSegment(w, r, f, marker); err != nil {
			return err
		}
		if marker != jpegSOS {
			continue
		}
		if err = f.check(); err != nil {
			return err
		}
		if marker, err = copyScan(w, r); err != nil {
			return err
		}
		if marker == jpegEOI {
			break
		}
		r.unread(0xFF, marker)
	}
	if err != nil {
		return err
	}
	_, err = w.Write([]byte{0xFF, jpegEOI})
	return err
}

func nextMarker(r *in) (byte, error) {
	b, err := r.byte()
	if err != nil {
		return 0, err
	}
	if b != 0xFF {
		return 0, ErrDamaged
	}
	for b == 0xFF { // fill bytes
		if b, err = r.byte(); err != nil {
			return 0, err
		}
	}
	if b == 0 {
		return 0, ErrDamaged
	}
	return b, nil
}

func jpegSegment(w *bufio.Writer, r *in, f *Facts, marker byte) error {
	if marker >= 0xD0 && marker <= 0xD8 || marker == 0x01 {
		return ErrDamaged // none of these stands between segments
	}
	var size [2]byte
	if err := r.full(size[:]); err != nil {
		return err
	}
	n := int64(binary.BigEndian.Uint16(size[:])) - 2
	if n < 0 {
		return ErrDamaged
	}
	if !jpegNeedsBody(marker) {
		return r.skip(n)
	}
	body := make([]byte, n) // at most 64 KiB
	if err := r.full(body); err != nil {
		return err
	}
	switch marker {
	case jpegAPP0:
		if body = plainJFIF(body); body == nil {
			return nil
		}
	case jpegAPP1:
		if o := exifOrientation(bytes.TrimPrefix(body, []byte("Exif\x00\x00"))); o != 0 && bytes.HasPrefix(body, []byte("Exif\x00\x00")) {
			f.Orientation = o
		}
		return nil
	case jpegAPP2:
		if !bytes.HasPrefix(body, []byte("ICC_PROFILE\x00")) {
			return nil
		}
	case jpegAdob:
		if !bytes.HasPrefix(body, []byte("Adobe")) {
			return nil
		}
	}
	if jpegFrame(marker) {
		if len(body) < 6 || f.Width != 0 {
			return ErrDamaged
		}
		f.Height, f.Width = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
		if err := f.check(); err != nil {
			return err
		}
	}
	_, _ = w.Write([]byte{0xFF, marker, byte((len(body) + 2) >> 8), byte(len(body) + 2)}) //nolint:gosec // at most 65535
	_, err := w.Write(body)
	return err
}

// jpegFrame reports whether the marker begins a frame, which has the measures.
func jpegFrame(m byte) bool { return m >= 0xC0 && m <= 0xCF && m != 0xC4 && m != 0xC8 && m != 0xCC }

// jpegNeedsBody reports whether the segment is kept or examined.
func jpegNeedsBody(m byte) bool {
	switch {
	case m == jpegAPP0, m == jpegAPP1, m == jpegAPP2, m == jpegAdob:
		return true
	case m >= 0xE0 && m <= 0xEF, m == jpegCOM, m >= 0xF0 && m <= 0xFD:
		return false
	default:
		return true
	}
}

// plainJFIF returns the JFIF segment without its thumbnail, or nil for another
// one.
func plainJFIF(body []byte) []byte {
	const size = 14
	if len(body) < size || !bytes.HasPrefix(body, []byte("JFIF\x00")) {
		return nil
	}
	body = body[:size]
	body[12], body[13] = 0, 0
	return body
}

// copyScan copies the coded pixels and returns the marker after them.
func copyScan(w *bufio.Writer, r *in) (byte, error) {
	for {
		b, err := r.byte()
		if err != nil {
			return 0, err
		}
		if b != 0xFF {
			_ = w.WriteByte(b)
			continue
		}
		for b == 0xFF {
			if b, err = r.byte(); err != nil {
				return 0, err
			}
		}
		if b != 0 && (b < 0xD0 || b > 0xD7) {
			return b, nil
		}
		_, _ = w.Write([]byte{0xFF, b})
	}
}

// exifOrientation returns the orientation of a TIFF block, or 0.
func exifOrientation(tiff []byte) int {
	if len(tiff) < 8 {
		return 0
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch string(tiff[:2]) {
	case "II":
	case "MM":
		order = binary.BigEndian
	default:
		return 0
	}
	at := uint64(order.Uint32(tiff[4:]))
	if at+2 > uint64(len(tiff)) {
		return 0
	}
	n := uint64(order.Uint16(tiff[at:]))
	for i := range n {
		e := at + 2 + 12*i
		if e+12 > uint64(len(tiff)) {
			return 0
		}
		if order.Uint16(tiff[e:]) == 0x0112 {
			if o := int(order.Uint16(tiff[e+8:])); o >= 1 && o <= 8 {
				return o
			}
			return 0
		}
	}
	return 0
}
