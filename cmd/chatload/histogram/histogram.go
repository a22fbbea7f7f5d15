// Package histogram counts durations.
package histogram

import (
	"math/bits"
	"sync"
	"time"
)

// Histogram counts durations from a microsecond up, in buckets at most 1/16 of
// their size wide. Its size is fixed. It is safe for concurrent use.
type Histogram struct {
	mu      sync.Mutex // guards following
	n       int
	max     time.Duration
	buckets [64 * 16]int
}

func bucketOf(d time.Duration) int {
	us := uint64(max(d, 0) / time.Microsecond)
	if us < 16 {
		return int(us)
	}
	shift := bits.Len64(us) - 5               // keeps five significant bits, the first always 1
	return (shift+1)*16 + int(us>>shift) - 16 //nolint:gosec // five bits
}

// upper returns the greatest duration of a bucket.
func upper(bucket int) time.Duration {
	if bucket < 16 {
		return time.Duration(bucket+1) * time.Microsecond
	}
	shift := bucket/16 - 1
	return time.Duration((bucket%16+17)<<shift) * time.Microsecond
}

// Add counts one duration.
func (h *Histogram) Add(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n++
	h.max = max(h.max, d)
	h.buckets[bucketOf(d)]++
}

// Quantiles is a histogram's part of a report. The durations are in milliseconds.
type Quantiles struct {
	N   int     `json:"n"`
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

// Quantiles returns the number of durations and their quantiles, each at most a
// sixteenth too large.
func (h *Histogram) Quantiles() Quantiles {
	h.mu.Lock()
	defer h.mu.Unlock()
	return Quantiles{N: h.n, P50: ms(h.quantileLocked(0.50)), P99: ms(h.quantileLocked(0.99)), Max: ms(h.max)}
}

func (h *Histogram) quantileLocked(q float64) time.Duration {
	rank := int(q * float64(h.n))
	for b, n := range h.buckets {
		if rank < n {
			return min(upper(b), h.max)
		}
		rank -= n
	}
	return h.max
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
