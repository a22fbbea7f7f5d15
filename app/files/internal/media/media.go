// Package media reads how long a recording is, and whether it has pictures, from
// its headers. It decodes nothing and reads a bounded part of the file.
package media

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"time"
)

// Facts are what a recording's headers say.
type Facts struct {
	Duration time.Duration // 0: they do not say
	Video    bool          // it has a video track
	Audio    bool          // it has an audio track
}

// most is the longest duration that is believed.
const most = 1000 * time.Hour

// window is how much of the beginning and of the end is read.
const window = 64 << 10

// Of returns the facts of a recording of size bytes. Headers that cannot be
// understood give no facts. An error is one of r.
func Of(contentType string, r io.ReaderAt, size int64) (Facts, error) {
	head, err := at(r, size, 0, window)
	if err != nil {
		return Facts{}, err
	}
	var f Facts
	switch contentType {
	case "audio/wav":
		f.Duration, f.Audio = wav(head, size), true
	case "audio/flac":
		f.Duration, f.Audio = flac(head), true
	case "audio/mpeg":
		start := mp3Start(head)
		if start > 0 {
			if head, err = at(r, size, min(start, size), window); err != nil {
				return Facts{}, err
			}
		}
		f.Duration, f.Audio = mp3(head, size-start), true
	case "audio/ogg", "video/ogg":
		tail, err := at(r, size, max(0, size-window), window)
		if err != nil {
			return Facts{}, err
		}
		f = Facts{Duration: ogg(head, tail), Audio: true, Video: bytes.Contains(head, []byte("\x80theora"))}
	case "video/mp4", "audio/mp4":
		if f, err = mp4(r, size); err != nil {
			return Facts{}, err
		}
	case "video/webm", "audio/webm":
		if f, err = webm(r, size, head); err != nil {
			return Facts{}, err
		}
	}
	if f.Duration < 0 || f.Duration > most {
		f.Duration = 0
	}
	return f, nil
}

func at(r io.ReaderAt, size, from, n int64) ([]byte, error) {
	b := make([]byte, min(n, size-from))
	got, err := r.ReadAt(b, from)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b[:got], err
}

func seconds(units, perSecond float64) time.Duration {
	if perSecond <= 0 || units <= 0 || units/perSecond > most.Seconds() {
		return 0
	}
	return time.Duration(math.Round(units/perSecond*1000)) * time.Millisecond
}

func wav(head []byte, size int64) time.Duration {
	var rate float64
	for at := 12; at+8 <= len(head); {
		n := int64(binary.LittleEndian.Uint32(head[at+4:]))
		switch string(head[at : at+4]) {
		case "fmt ":
			if at+20 <= len(head) {
				rate = float64(binary.LittleEndian.Uint32(head[at+16:]))
			}
		case "data":
			return seconds(float64(min(n, size-int64(at)-8)), rate) // a stream's header may claim more than came
		}
		next := int64(at) + 8 + n + n&1
		if next > int64(len(head)) {
			return 0
		}
		at = int(next)
	}
	return 0
}

func flac(head []byte) time.Duration {
	if len(head) < 26 || string(head[:4]) != "fLaC" || head[4]&0x7F != 0 {
		return 0
	}
	b := binary.BigEndian.Uint64(head[18:]) // rate: 20 bits, channels: 3, depth: 5, samples: 36
	return seconds(float64(b&(1<<36-1)), float64(b>>44))
}

func ogg(head, tail []byte) time.Duration {
	last := bytes.LastIndex(tail, []byte("OggS"))
	if last < 0 || len(tail)-last < 14 {
		return 0
	}
	granule := float64(int64(binary.LittleEndian.Uint64(tail[last+6:]))) //nolint:gosec // -1 means unknown
	if i := bytes.Index(head, []byte("OpusHead")); i >= 0 && len(head) >= i+12 {
		return seconds(granule-float64(binary.LittleEndian.Uint16(head[i+10:])), 48000)
	}
	if i := bytes.Index(head, []byte("\x01vorbis")); i >= 0 && len(head) >= i+16 {
		return seconds(granule, float64(binary.LittleEndian.Uint32(head[i+12:])))
	}
	return 0
}

// mp3Start is where the sound begins: after the tags, which may have a picture.
func mp3Start(head []byte) int64 {
	if len(head) <= 10 || string(head[:3]) != "ID3" {
		return 0
	}
	return 10 + (int64(head[6]&0x7F)<<21 | int64(head[7]&0x7F)<<14 | int64(head[8]&0x7F)<<7 | int64(head[9]&0x7F))
}

// mp3 knows the length of files with a Xing or Info header, and of those with a
// constant bit rate. b is the beginning of size bytes of sound.
func mp3(b []byte, size int64) time.Duration {
	first, ok := mp3Frame(b)
	if !ok {
		return 0
	}
	frame := b[:min(len(b), 200)]
	for _, mark := range []string{"Xing", "Info"} {
		if i := bytes.Index(frame, []byte(mark)); i > 0 && len(b) >= i+12 && b[i+7]&1 != 0 {
			return seconds(float64(binary.BigEndian.Uint32(b[i+8:]))*first.samples, first.rate)
		}
	}
	frames := 0
	for rest := b; len(rest) >= 4; frames++ {
		next, ok := mp3Frame(rest)
		if !ok || next.bits != first.bits {
			return 0 // a varying bit rate without a header
		}
		if next.bytes > len(rest) {
			break
		}
		rest = rest[next.bytes:]
	}
	return seconds(float64(size)*8, first.bits)
}

type mp3Header struct {
	bits, rate, samples float64
	bytes               int
}

// mp3Frame reads the header of a frame of layer III.
func mp3Frame(b []byte) (mp3Header, bool) {
	if len(b) < 4 || b[0] != 0xFF || b[1]&0xE6 != 0xE2 {
		return mp3Header{}, false
	}
	v1 := b[1]>>3&3 == 3
	kbits := [15]float64{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}
	if v1 {
		kbits = [15]float64{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}
	}
	i, j := b[2]>>4, b[2]>>2&3
	if i == 0 || i == 15 || j == 3 || b[1]>>3&3 == 1 {
		return mp3Header{}, false
	}
	h := mp3Header{bits: kbits[i] * 1000, rate: [3]float64{44100, 48000, 32000}[j], samples: 1152}
	switch b[1] >> 3 & 3 {
	case 2:
		h.rate, h.samples = h.rate/2, 576
	case 0:
		h.rate, h.samples = h.rate/4, 576
	}
	h.bytes = int(h.samples/8*h.bits/h.rate) + int(b[2]>>1&1)
	return h, true
}

// mp4 walks the boxes to the movie's header, at any place in the file.
func mp4(r io.ReaderAt, size int64) (Facts, error) {
	const boxes, longest = 64, 1 << 20
	from := int64(0)
	for range boxes {
		head, err := at(r, size, from, 16)
		if err != nil || len(head) < 8 {
			return Facts{}, err
		}
		n, skip := int64(binary.BigEndian.Uint32(head)), int64(8)
		switch {
		case n == 0:
			n = size - from
		case n == 1 && len(head) == 16:
			n, skip = int64(binary.BigEndian.Uint64(head[8:])), 16 //nolint:gosec // checked below
		}
		if n < skip || n > size-from {
			return Facts{}, nil
		}
		if string(head[4:8]) == "moov" {
			body, err := at(r, size, from+skip, min(n-skip, longest))
			if err != nil {
				return Facts{}, err
			}
			return movie(body), nil
		}
		if from += n; from >= size {
			return Facts{}, nil
		}
	}
	return Facts{}, nil
}

func movie(b []byte) Facts {
	var f Facts
	if i := bytes.Index(b, []byte("mvhd")); i >= 0 && len(b) >= i+40 {
		h := b[i+4:]
		if h[0] == 1 {
			f.Duration = seconds(float64(binary.BigEndian.Uint64(h[24:])), float64(binary.BigEndian.Uint32(h[20:])))
		} else if d := binary.BigEndian.Uint32(h[16:]); d != math.MaxUint32 {
			f.Duration = seconds(float64(d), float64(binary.BigEndian.Uint32(h[12:])))
		}
	}
	for rest := b; ; {
		i := bytes.Index(rest, []byte("hdlr"))
		if i < 0 || len(rest) < i+16 {
			return f
		}
		switch string(rest[i+12 : i+16]) {
		case "vide":
			f.Video = true
		case "soun":
			f.Audio = true
		}
		rest = rest[i+4:]
	}
}
