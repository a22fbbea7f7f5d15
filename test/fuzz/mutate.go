package fuzz

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strconv"
)

// longest is how long an input may become that was not longer before.
const longest = 4 << 10

// interesting are numbers at which readers of numbers break.
func interesting() []int64 {
	return []int64{
		0, 1, -1, 2, 7, 8, 9, 10, 15, 16, 31, 32, 63, 64, 100, 127, 128, 255, 256, 1000, 4096, math.MaxInt16, math.MaxUint16,
		math.MaxInt32, math.MinInt32, math.MaxUint32, 1 << 53, math.MaxInt64, math.MinInt64,
	}
}

// mutator makes inputs out of those of a pool.
type mutator struct {
	rnd  *rand.Rand
	pool [][]any
}

// next is a new input: one of the pool with a few changes. Short ones are taken
// more often, since they are executed faster.
func (m *mutator) next() []any {
	base := m.pick()
	if other := m.pick(); size(other) < size(base) && m.rnd.IntN(2) == 0 {
		base = other
	}
	input := make([]any, len(base))
	for i, v := range base {
		if b, ok := v.([]byte); ok {
			v = bytes.Clone(b)
		}
		input[i] = v
	}
	for again := true; again; again = m.rnd.IntN(3) > 0 {
		at := m.rnd.IntN(len(input))
		switch v := input[at].(type) {
		case string:
			input[at] = string(m.bytes([]byte(v), at))
		case []byte:
			input[at] = m.bytes(v, at)
		case int:
			input[at] = m.number(v)
		}
	}
	return input
}

func (m *mutator) pick() []any { return m.pool[m.rnd.IntN(len(m.pool))] }

func size(input []any) (n int) {
	for _, v := range input {
		switch v := v.(type) {
		case string:
			n += len(v)
		case []byte:
			n += len(v)
		}
	}
	return n
}

func (m *mutator) number(n int) int {
	switch m.rnd.IntN(3) {
	case 0:
		all := interesting()
		return int(all[m.rnd.IntN(len(all))])
	case 1:
		return n ^ 1<<m.rnd.IntN(64)
	default:
		return n + m.rnd.IntN(33) - 16
	}
}

// bytes changes b, which it owns, in one place. at is the argument's, whose
// like in other inputs is copied from.
func (m *mutator) bytes(b []byte, at int) []byte {
	room := max(longest, len(b)) - len(b)
	if len(b) == 0 {
		return m.insert(b, m.piece(at), room)
	}
	switch m.rnd.IntN(10) {
	case 0: // a bit
		b[m.rnd.IntN(len(b))] ^= 1 << m.rnd.IntN(8)
	case 1: // a byte
		b[m.rnd.IntN(len(b))] = byte(m.rnd.Uint32())
	case 2: // a byte that stands there already
		b[m.rnd.IntN(len(b))] = b[m.rnd.IntN(len(b))]
	case 3: // less
		from, to := m.span(len(b))
		b = append(b[:from], b[to:]...)
	case 4: // the end is missing
		b = b[:m.rnd.IntN(len(b))]
	case 5: // once more
		from, to := m.span(len(b))
		b = m.insert(b, bytes.Clone(b[from:to]), room)
	case 6: // two places change places
		from, to := m.span(len(b))
		swap := m.rnd.IntN(len(b) - (to - from) + 1)
		piece := bytes.Clone(b[from:to])
		copy(b[from:to], b[swap:swap+len(piece)])
		copy(b[swap:], piece)
	case 7: // another's piece, in between
		b = m.insert(b, m.piece(at), room)
	case 8: // another's piece, instead
		copy(b[m.rnd.IntN(len(b)):], m.piece(at))
	default:
		b = m.digits(b, room)
	}
	return b
}

// span is a part of n bytes, mostly a short one.
func (m *mutator) span(n int) (from, to int) {
	length := 1 + m.rnd.IntN(n)
	if m.rnd.IntN(4) > 0 {
		length = min(length, 1+m.rnd.IntN(16))
	}
	from = m.rnd.IntN(n - length + 1)
	return from, from + length
}

// piece is a part of another input, or a byte.
func (m *mutator) piece(at int) []byte {
	var b []byte
	switch v := m.pick()[at].(type) {
	case string:
		b = []byte(v)
	case []byte:
		b = v
	}
	if len(b) == 0 {
		return []byte{byte(m.rnd.Uint32())}
	}
	from, to := m.span(len(b))
	return b[from:to]
}

func (m *mutator) insert(b, piece []byte, room int) []byte {
	piece = piece[:min(len(piece), room)]
	at := m.rnd.IntN(len(b) + 1)
	out := make([]byte, 0, len(b)+len(piece))
	out = append(out, b[:at]...)
	out = append(out, piece...)
	return append(out, b[at:]...)
}

// digits puts another number where one is written, or anywhere.
func (m *mutator) digits(b []byte, room int) []byte {
	digit := func(c byte) bool { return '0' <= c && c <= '9' }
	from := m.rnd.IntN(len(b))
	if next := bytes.IndexFunc(b[from:], func(r rune) bool { return '0' <= r && r <= '9' }); next > 0 {
		from += next
	}
	to := from
	for to < len(b) && digit(b[to]) {
		to++
	}
	all := interesting()
	number := strconv.FormatInt(all[m.rnd.IntN(len(all))], 10)
	if len(number) > room+to-from {
		return b
	}
	out := make([]byte, 0, len(b)+len(number))
	out = append(out, b[:from]...)
	out = append(out, number...)
	return append(out, b[to:]...)
}
