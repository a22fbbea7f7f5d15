package chain

import (
	"encoding/base64"
	"strconv"
	"time"

	"chatbox"
)

// Entries are numbered without gaps and their times never decrease. The end of a
// chain and the place of a time can therefore be found by reading single entries:
// a few round trips on any server, for a chain of any length. (On the DocumentDB
// stack a sort with a limit over an open range reads the whole range.)

// fan is how many places one step reads.
const fan = 15

// Bisect returns the last n in lo..hi for which at holds, or lo-1 if there is
// none. at must hold for a first part of the range and for nothing after it. It
// receives several places at once and returns the greatest for which it holds, or
// 0.
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

// spread returns some places of the range, including the last.
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

// Gallop returns the greatest n for which at holds. It starts from a place where
// at is known to hold and goes up by powers of four.
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

// Cursor encodes a place in the log; the next page continues below it.
func Cursor(n int64) string {
	return base64.RawURLEncoding.EncodeToString([]byte("a1|" + strconv.FormatInt(n, 10)))
}

// ParseCursor accepts exactly the output of Cursor.
func ParseCursor(s string) (int64, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err == nil && len(raw) > 3 {
		if n, err := strconv.ParseInt(string(raw[3:]), 10, 64); err == nil && n > 0 && Cursor(n) == s {
			return n, nil
		}
	}
	return 0, chatbox.Invalid("cursor", "is not one of ours")
}

// Window converts a query's cursor and times into a closed range of places up to
// end. before returns the last place of a range whose entry is older than t.
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
