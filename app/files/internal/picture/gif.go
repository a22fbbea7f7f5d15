package picture

import (
	"bufio"
	"encoding/binary"
	"io"
)

// stripGIF keeps frames, their timing and the loop count. Comments, texts and
// other applications' blocks, and what follows the end, are dropped.
func stripGIF(w *bufio.Writer, r *in, f *Facts) error {
	var head [13]byte
	if err := r.full(head[:]); err != nil {
		return err
	}
	if v := string(head[:6]); v != "GIF87a" && v != "GIF89a" {
		return ErrDamaged
	}
	f.Width, f.Height = int(binary.LittleEndian.Uint16(head[6:])), int(binary.LittleEndian.Uint16(head[8:]))
	if err := f.check(); err != nil {
		return err
	}
	_, _ = w.Write(head[:])
	if err := gifColours(w, r, head[10]); err != nil {
		return err
	}
	frames := 0
	for {
		b, err := r.byte()
		if err != nil {
			return err
		}
		switch b {
		case 0x3B:
			if frames == 0 {
				return ErrDamaged
			}
			return w.WriteByte(b)
		case 0x2C:
			frames++
			err = gifFrame(w, r)
		case 0x21:
			err = gifExtension(w, r)
		default:
			err = ErrDamaged
		}
		if err != nil {
			return err
		}
	}
}

// gifColours copies the colour table that the flags announce.
func gifColours(w io.Writer, r *in, flags byte) error {
	if flags&0x80 == 0 {
		return nil
	}
	return r.copy(w, 3<<(flags&7+1))
}

func gifFrame(w *bufio.Writer, r *in) error {
	var head [9]byte
	if err := r.full(head[:]); err != nil {
		return err
	}
	if err := checkSize(int64(binary.LittleEndian.Uint16(head[4:])), int64(binary.LittleEndian.Uint16(head[6:]))); err != nil {
		return err
	}
	_ = w.WriteByte(0x2C)
	_, _ = w.Write(head[:])
	if err := gifColours(w, r, head[8]); err != nil {
		return err
	}
	code, err := r.byte()
	if err != nil {
		return err
	}
	if code < 2 || code > 11 {
		return ErrDamaged
	}
	_ = w.WriteByte(code)
	return gifBlocks(w, r)
}

// gifBlocks copies data blocks up to their end.
func gifBlocks(w io.Writer, r *in) error {
	for {
		n, err := r.byte()
		if err != nil {
			return err
		}
		if _, err := w.Write([]byte{n}); err != nil || n == 0 {
			return err
		}
		if err := r.copy(w, int64(n)); err != nil {
			return err
		}
	}
}

func gifExtension(w *bufio.Writer, r *in) error {
	label, err := r.byte()
	if err != nil {
		return err
	}
	switch label {
	case 0xF9: // timing and transparency
		_, _ = w.Write([]byte{0x21, label})
		return gifBlocks(w, r)
	case 0xFF:
		return gifApplication(w, r)
	default:
		return gifBlocks(io.Discard, r)
	}
}

// gifApplication keeps the loop count.
func gifApplication(w *bufio.Writer, r *in) error {
	n, err := r.byte()
	if err != nil {
		return err
	}
	name := make([]byte, n)
	if err := r.full(name); err != nil {
		return err
	}
	if n == 0 {
		return nil
	}
	if s := string(name); s != "NETSCAPE2.0" && s != "ANIMEXTS1.0" {
		return gifBlocks(io.Discard, r)
	}
	var loop [5]byte // length 3, 1, count of two bytes, end
	if err := r.full(loop[:]); err != nil {
		return err
	}
	if loop[0] != 3 || loop[1] != 1 || loop[4] != 0 {
		return ErrDamaged
	}
	_, _ = w.Write([]byte{0x21, 0xFF, n})
	_, _ = w.Write(name)
	_, err = w.Write(loop[:])
	return err
}
