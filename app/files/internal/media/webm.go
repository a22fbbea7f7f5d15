package media

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
)

// Elements of WebM.
const (
	ebmlSegment  = 0x18538067
	ebmlInfo     = 0x1549A966
	ebmlScale    = 0x2AD7B1
	ebmlDuration = 0x4489
	ebmlTracks   = 0x1654AE6B
	ebmlTrack    = 0xAE
	ebmlKind     = 0x83
	ebmlCluster  = 0x1F43B675
	ebmlTime     = 0xE7
	ebmlGroup    = 0xA0
	ebmlBlock    = 0xA1
	ebmlSimple   = 0xA3
)

// webm reads the header. Recordings of browsers have no duration there; they end
// with the last block.
func webm(r io.ReaderAt, size int64, head []byte) (Facts, error) {
	f, scale := webmHeader(head)
	if f.Duration != 0 || !f.Video && !f.Audio {
		return f, nil
	}
	units, err := webmEnd(r, size)
	f.Duration = seconds(units*scale, 1e9)
	return f, err
}

func webmHeader(head []byte) (Facts, float64) {
	var f Facts
	scale, units := 1e6, 0.0
	var walk func(b []byte, depth int)
	walk = func(b []byte, depth int) {
		for len(b) > 0 && depth < 5 {
			id, n := ebmlNumber(b, false)
			if n == 0 {
				return
			}
			size, m := ebmlNumber(b[n:], true)
			if m == 0 {
				return
			}
			b = b[n+m:]
			body := b[:min(uint64(len(b)), size)]
			switch id {
			case ebmlSegment, ebmlInfo, ebmlTracks, ebmlTrack:
				walk(body, depth+1)
			case ebmlScale:
				scale = float64(ebmlUint(body))
			case ebmlDuration:
				units = ebmlFloat(body)
			case ebmlKind:
				kind := ebmlUint(body)
				f.Video, f.Audio = f.Video || kind == 1, f.Audio || kind == 2
			}
			b = b[len(body):]
		}
	}
	walk(head, 0)
	f.Duration = seconds(units*scale, 1e9)
	return f, scale
}

// webmSearched is how much of the end of a recording is read.
const webmSearched = 2 << 20

// webmEnd returns the time of the last block of the last cluster.
func webmEnd(r io.ReaderAt, size int64) (float64, error) {
	mark := binary.BigEndian.AppendUint32(nil, ebmlCluster)
	for end := size; end > 0 && size-end < webmSearched; end -= window - int64(len(mark)) {
		from := max(0, end-window)
		b, err := at(r, size, from, end-from)
		if err != nil {
			return 0, err
		}
		if i := bytes.LastIndex(b, mark); i >= 0 {
			from += int64(i)
			return lastBlock(bufio.NewReaderSize(io.NewSectionReader(r, from, size-from), window/2))
		}
		if from == 0 {
			break
		}
	}
	return 0, nil
}

// lastBlock reads a cluster up to its end.
func lastBlock(r *bufio.Reader) (float64, error) {
	cluster, last := 0.0, 0.0
	for {
		head, err := r.Peek(24)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		id, n := ebmlNumber(head, false)
		if n == 0 {
			return last, nil
		}
		size, m := ebmlNumber(head[n:], true)
		body := head[n+m:]
		if m == 0 || size > window*16 && id != ebmlCluster {
			return last, nil
		}
		switch id {
		case ebmlCluster, ebmlGroup: // what is inside is read next
			size = 0
		case ebmlTime:
			cluster = float64(ebmlUint(body[:min(uint64(len(body)), size)]))
			last = max(last, cluster)
		case ebmlBlock, ebmlSimple:
			if _, track := ebmlNumber(body, true); track > 0 && len(body) >= track+2 {
				last = max(last, cluster+float64(int16(binary.BigEndian.Uint16(body[track:])))) //nolint:gosec // it is signed
			}
		}
		_, err = r.Discard(n + m + int(size))
		if errors.Is(err, io.EOF) { // a recording that was cut
			return last, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// ebmlNumber reads a number of variable length and how many bytes it has; 0: there
// is none.
func ebmlNumber(b []byte, unmark bool) (v uint64, n int) {
	if len(b) == 0 || b[0] == 0 {
		return 0, 0
	}
	n = 1
	for mark := byte(0x80); b[0]&mark == 0; mark >>= 1 {
		n++
	}
	if len(b) < n {
		return 0, 0
	}
	v = uint64(b[0])
	if unmark {
		v &= 1<<(8-n) - 1
	}
	unknown := unmark && v == 1<<(8-n)-1
	for _, c := range b[1:n] {
		v, unknown = v<<8|uint64(c), unknown && c == 0xFF
	}
	if unknown { // a stream: up to the end
		return math.MaxUint64, n
	}
	return v, n
}

func ebmlUint(b []byte) (v uint64) {
	for _, c := range b[:min(len(b), 8)] {
		v = v<<8 | uint64(c)
	}
	return v
}

func ebmlFloat(b []byte) float64 {
	switch len(b) {
	case 4:
		return float64(math.Float32frombits(binary.BigEndian.Uint32(b)))
	case 8:
		return math.Float64frombits(binary.BigEndian.Uint64(b))
	default:
		return 0
	}
}
