package door

import (
	"bytes"
	"errors"
	"strconv"
)

// Reasons for refusing a request because of its framing.
var (
	errTwoLengths = errors.New("a request has both Content-Length and Transfer-Encoding")
	errFolded     = errors.New("a header line is folded")
)

// framingState is the parser's position within a connection's requests.
type framingState int

const (
	inStart   framingState = iota // before a request line
	inHeader                      // in its header
	inBody                        // in a body of known length, or in one chunk
	inSize                        // in a chunk-size line
	inChunkOf                     // in the line end after a chunk
	inTrailer                     // after the last chunk
	lost                          // the server will refuse this, or it is not HTTP
)

// headLine is how many bytes of a header line are examined: enough for the two
// relevant names and any valid length.
const headLine = 64

// framing follows the requests of one connection to find their headers. The
// server silently ignores Content-Length beside Transfer-Encoding, while a proxy
// in front may have used it. The two would then disagree on where the next
// request begins (request smuggling).
type framing struct {
	state   framingState
	line    [headLine]byte // the start of the line
	n       int            // bytes used of it
	over    bool           // the line is longer
	left    int64          // bytes left of the body or the chunk
	length  int64          // value of Content-Length; -1: not usable
	lengths bool           // there was a Content-Length
	coded   bool           // there was a Transfer-Encoding
	err     error          // why reading has stopped
}

func (f *framing) inHeader() bool { return f.state == inHeader || f.n > 0 }

// scan parses p. If it refuses a header, it returns the reason and how many bytes
// of p the server may see: all before the line end that would complete the
// header.
func (f *framing) scan(p []byte) (good int, err error) {
	for i := 0; i < len(p); {
		switch f.state {
		case lost:
			return len(p), nil
		case inBody:
			i += f.skip(len(p) - i)
			continue
		default:
		}
		end := bytes.IndexByte(p[i:], '\n')
		if end < 0 {
			f.keep(p[i:])
			break
		}
		f.keep(p[i : i+end])
		if f.err = f.endLine(); f.err != nil {
			return i + end, f.err
		}
		i += end + 1
	}
	return len(p), nil
}

// skip skips at most n bytes of a body.
func (f *framing) skip(n int) int {
	if int64(n) < f.left {
		f.left -= int64(n)
		return n
	}
	n = int(f.left)
	f.left = 0
	f.state = inStart
	if f.coded {
		f.state = inChunkOf
	}
	return n
}

func (f *framing) keep(p []byte) {
	took := copy(f.line[f.n:], p)
	f.n += took
	f.over = f.over || took < len(p)
}

// endLine handles a complete line.
func (f *framing) endLine() error {
	line, over := bytes.TrimSuffix(f.line[:f.n], []byte("\r")), f.over
	f.n, f.over = 0, false
	switch f.state {
	case inStart:
		if len(line) > 0 { // empty lines may precede a request
			f.state, f.length, f.lengths, f.coded = inHeader, 0, false, false
		}
	case inHeader:
		if len(line) > 0 {
			return f.field(line, over)
		}
		return f.endHeader()
	case inSize:
		f.size(line)
	case inChunkOf:
		f.state = inSize
	case inTrailer:
		if len(line) == 0 {
			f.state = inStart
		}
	default:
	}
	return nil
}

func (f *framing) field(line []byte, over bool) error {
	if line[0] == ' ' || line[0] == '\t' {
		return errFolded
	}
	name, value, _ := bytes.Cut(line, []byte(":"))
	switch {
	case bytes.EqualFold(name, []byte("Content-Length")):
		n, err := strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
		if err != nil || over || f.lengths && n != f.length {
			n = -1
		}
		f.length, f.lengths = n, true
	case bytes.EqualFold(name, []byte("Transfer-Encoding")):
		f.coded = true
	}
	return nil
}

func (f *framing) endHeader() error {
	switch {
	case f.coded && f.lengths:
		return errTwoLengths
	case f.coded:
		f.state = inSize
	case f.length < 0:
		f.state = lost
	case f.length > 0:
		f.state, f.left = inBody, f.length
	default:
		f.state = inStart
	}
	return nil
}

// size parses a chunk-size line.
func (f *framing) size(line []byte) {
	hex, _, _ := bytes.Cut(line, []byte(";"))
	n, err := strconv.ParseInt(string(bytes.TrimSpace(hex)), 16, 64)
	switch {
	case err != nil || n < 0:
		f.state = lost
	case n == 0:
		f.state = inTrailer
	default:
		f.state, f.left = inBody, n
	}
}
