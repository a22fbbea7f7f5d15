package voice

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"chatbox/providers/internal/vendorapi"
)

// maxTag is the largest tag at the beginning of a sound that is skipped, in bytes.
const maxTag = 1 << 20

// begin reads up to the sound, and returns an error if it is no MP3. Of a sound
// that is joined with others it skips the tags at the beginning, because they tell
// the length of one part.
func begin(in *bufio.Reader, joined bool) error {
	head, err := in.Peek(10)
	switch {
	case len(head) == 0 && errors.Is(err, io.EOF):
		return &vendorapi.Failure{Text: "the response has no sound", Why: vendorapi.ReasonConnection, Empty: true}
	case len(head) < 4 && err != nil:
		return cut(err)
	case bytes.HasPrefix(head, []byte("ID3")):
		if joined && len(head) == 10 {
			err := skipID3(in, head)
			if err != nil {
				return err
			}
			return skipInfo(in)
		}
		return nil
	case frameSize(head) == 0:
		return refused("the response is no MP3")
	case joined:
		return skipInfo(in)
	default:
		return nil
	}
}

// skipID3 skips a tag of ID3v2, whose size is in four bytes of seven bits
// (id3.org/id3v2.4.0-structure, section 3.1).
func skipID3(in *bufio.Reader, head []byte) error {
	size := 10
	for i, b := range head[6:10] {
		size += int(b&0x7f) << (21 - 7*i)
	}
	const footer = 0x10
	if head[5]&footer != 0 {
		size += 10
	}
	if size > maxTag {
		return refused("the sound begins with a tag that is too large")
	}
	_, err := in.Discard(size)
	return cut(err)
}

// skipInfo skips a first frame that tells the length of the sound instead of being
// a part of it, as LAME writes it.
func skipInfo(in *bufio.Reader) error {
	head, err := in.Peek(4)
	if err != nil {
		return cut(err)
	}
	size := frameSize(head)
	if size == 0 {
		return refused("the response is no MP3")
	}
	const behindSide = 36 // the longest side information and the header
	frame, _ := in.Peek(min(size, behindSide+4))
	if !bytes.Contains(frame, []byte("Xing")) && !bytes.Contains(frame, []byte("Info")) {
		return nil
	}
	_, err = in.Discard(size)
	return cut(err)
}

// frameSize returns the size in bytes of the frame of MPEG audio, layer III, that
// begins with head, or 0 if none does (ISO/IEC 11172-3, section 2.4.2.3).
func frameSize(head []byte) int {
	const layer3, free, badRate = 1, 0, 15
	if len(head) < 4 || head[0] != 0xff || head[1]&0xe0 != 0xe0 {
		return 0
	}
	version, layer := head[1]>>3&3, head[1]>>1&3
	bits, rate, padding := head[2]>>4, head[2]>>2&3, int(head[2]>>1&1)
	if version == 1 || layer != layer3 || bits == free || bits == badRate || rate == 3 {
		return 0
	}
	kbit := [2][15]int{
		{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
		{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},
	}
	hertz := [3]int{44100, 48000, 32000}[rate]
	switch version {
	case 3: // MPEG-1
		return 144*1000*kbit[1][bits]/hertz + padding
	case 2: // MPEG-2
		return 72*1000*kbit[0][bits]/(hertz/2) + padding
	default: // MPEG-2.5
		return 72*1000*kbit[0][bits]/(hertz/4) + padding
	}
}
