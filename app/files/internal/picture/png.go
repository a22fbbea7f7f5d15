package picture

import (
	"bufio"
	"encoding/binary"
	"hash/crc32"
	"io"
)

const pngMagic = "\x89PNG\r\n\x1a\n"

// stripPNG keeps the chunks that are needed to show the picture, also an animated
// one. Text, times, EXIF and unknown chunks, and what follows the end, are
// dropped.
func stripPNG(w *bufio.Writer, r *in, f *Facts) error {
	var magic [len(pngMagic)]byte
	if err := r.full(magic[:]); err != nil {
		return err
	}
	if string(magic[:]) != pngMagic {
		return ErrDamaged
	}
	_, _ = w.Write(magic[:])
	pixels := false
	for first := true; ; first = false {
		var head [8]byte
		if err := r.full(head[:]); err != nil {
			return err
		}
		n, kind := int64(binary.BigEndian.Uint32(head[:])), string(head[4:])
		if n > 1<<31-1 || first != (kind == "IHDR") || kind == "IEND" && (n != 0 || !pixels) {
			return ErrDamaged
		}
		pixels = pixels || kind == "IDAT"
		if err := pngNext(w, r, f, head, n); err != nil || kind == "IEND" {
			return err
		}
	}
}

// pngNext copies, reads or drops one chunk.
func pngNext(w *bufio.Writer, r *in, f *Facts, head [8]byte, n int64) error {
	switch kind := string(head[4:]); {
	case kind == "IHDR":
		return pngHeader(w, r, f, head, n)
	case kind == "eXIf":
		return pngEXIF(r, f, n)
	case pngKept(kind):
		return pngChunk(w, r, head, n)
	default:
		return r.skip(n + 4)
	}
}

func pngKept(kind string) bool {
	switch kind {
	case "PLTE", "IDAT", "IEND", "tRNS", "gAMA", "cHRM", "sRGB", "iCCP", "sBIT", "bKGD", "pHYs", "cICP", "acTL", "fcTL", "fdAT":
		return true
	}
	return false
}

func pngHeader(w *bufio.Writer, r *in, f *Facts, head [8]byte, n int64) error {
	if n != 13 {
		return ErrDamaged
	}
	var rest [13 + 4]byte
	if err := r.full(rest[:]); err != nil {
		return err
	}
	if !pngSound(head[4:], rest[:13], rest[13:]) {
		return ErrDamaged
	}
	width, height := int64(binary.BigEndian.Uint32(rest[:])), int64(binary.BigEndian.Uint32(rest[4:]))
	if err := checkSize(width, height); err != nil {
		return err
	}
	f.Width, f.Height = int(width), int(height)
	_, _ = w.Write(head[:])
	_, err := w.Write(rest[:])
	return err
}

// pngChunk copies a chunk and verifies its check sum.
func pngChunk(w *bufio.Writer, r *in, head [8]byte, n int64) error {
	_, _ = w.Write(head[:])
	sum := crc32.NewIEEE()
	_, _ = sum.Write(head[4:])
	if err := r.copy(io.MultiWriter(w, sum), n); err != nil {
		return err
	}
	var check [4]byte
	if err := r.full(check[:]); err != nil {
		return err
	}
	if binary.BigEndian.Uint32(check[:]) != sum.Sum32() {
		return ErrDamaged
	}
	_, err := w.Write(check[:])
	return err
}

func pngSound(kind, body, check []byte) bool {
	sum := crc32.NewIEEE()
	_, _ = sum.Write(kind)
	_, _ = sum.Write(body)
	return binary.BigEndian.Uint32(check) == sum.Sum32()
}

// maxEXIF is how much of an EXIF block is examined; the orientation is at its
// beginning.
const maxEXIF = 64 << 10

func pngEXIF(r *in, f *Facts, n int64) error {
	body := make([]byte, min(n, maxEXIF))
	if err := r.full(body); err != nil {
		return err
	}
	if o := exifOrientation(body); o != 0 {
		f.Orientation = o
	}
	return r.skip(n - int64(len(body)) + 4)
}
