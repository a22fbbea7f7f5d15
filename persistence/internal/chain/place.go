package chain

import (
	"encoding/base64"
	"strconv"
	"time"

	"chatbox"
)

// Entries are numbered densely and their times never go back, so the end of a
// chain and the place of a time are found by asking for single entries: a few
// round trips on any server, whatever the chain's length. (A sort with a limit
// over an open range costs the DocumentDB stack the whole range.)

// fan is how many places one step asks for.
const fan = 15

// Bisect returns the last n in lo..hi for which at holds, lo-1 where it holds
// for none; at must hold for a first part of the range and for nothing after
// it. at is asked for several places together and returns the greatest for
// which it holds, 0 for none.
func Bisect(lo, hi int64, at func(ns []int64) (int64, error)) (int64, error) {
	for lo <= hi {
		ns := spread(lo, hi)
		best, err := at(ns)
		if err != nil {
			return 0, err
		}
		next := hi
		for _, n := range ns {
			if n > best {
				next = n - 1
				break
			}
		}
		if best >= lo {
			lo = best + 1
		}
		hi = next
	}
	return lo - 1, nil
}

// spread is some places of the range, its last one among them.
func spread(lo, hi int64) []int64 {
	if hi-lo < fan {
		ns := make([]int64, 0, fan)
		for n := lo; n <= hi; n++ {
			ns = append(ns, n)
		}
		return ns
	}
	step := (hi - lo) / fan
	ns := make([]int64, 0, fan+1)
	for i := range int64(fan) {
		ns = append(ns, lo+i*step)
	}
	return append(ns, hi)
}

// Gallop returns the greatest n that at holds for, going up by powers of four
// from where it is known to hold.
func Gallop(from int64, at func(ns []int64) (int64, error)) (int64, error) {
	for {
		ns := make([]int64, 0, fan)
		for i := range fan {
			ns = append(ns, from+1<<(2*i))
		}
		best, err := at(ns)
		if err != nil {
			return 0, err
		}
		if best < ns[len(ns)-1] {
			hi := from + 1
			for _, n := range ns {
				if n > best {
					hi = n - 1
					break
				}
			}
			return Bisect(max(from, best)+1, hi, at)
		}
		from = best
	}
}

// Cursor is a place in the log: the page goes on below it.
func Cursor(n int64) string {
	return base64.RawURLEncoding.EncodeToString([]byte("a1|" + strconv.FormatInt(n, 10)))
}

// ParseCursor takes exactly what Cursor gives.
func ParseCursor(s string) (int64, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err == nil && len(raw) > 3 {
		if n, err := strconv.ParseInt(string(raw[3:]), 10, 64); err == nil && n > 0 && Cursor(n) == s {
			return n, nil
		}
	}
	return 0, chatbox.Invalid("cursor", "is not one of ours")
}

// Window turns a query's cursor and times into a closed range of places up to
// end; before is the last place of a range whose entry is older than t.
func Window(
	q chatbox.AuditQuery, end int64, before func(lo, hi int64, t time.Time) (int64, error),
) (lo, hi int64, err error) {
	lo, hi = 1, end
	if q.Cursor != "" {
		n, err := ParseCursor(q.Cursor)
		if err != nil {
			return 0, 0, err
		}
		hi = min(hi, n-1)
	}
	if !q.To.IsZero() {
		if hi, err = before(lo, hi, q.To); err != nil {
			return 0, 0, err
		}
	}
	if !q.From.IsZero() {
		n, err := before(lo, hi, q.From)
		if err != nil {
			return 0, 0, err
		}
		lo = n + 1
	}
	return lo, hi, nil
}
