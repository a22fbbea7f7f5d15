package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWorthTrimming(t *testing.T) {
	const mib = 1 << 20
	for name, tc := range map[string]struct {
		before, now usage
		kept        int64
		want        bool
	}{
		"after a rush":                   {usage{allocated: 500 * mib}, usage{501 * mib, 40 * mib, 90 * mib}, 0, true},
		"during a rush":                  {usage{allocated: 500 * mib}, usage{600 * mib, 40 * mib, 90 * mib}, 0, false},
		"trimmed already":                {usage{allocated: 500 * mib}, usage{501 * mib, 40 * mib, 55 * mib}, 14 * mib, false},
		"trimmed before another rush":    {usage{allocated: 900 * mib}, usage{901 * mib, 40 * mib, 90 * mib}, 14 * mib, true},
		"little in a small process":      {usage{}, usage{mib, 8 * mib, 12 * mib}, 0, false},
		"little of a large process":      {usage{}, usage{mib, 800 * mib, 850 * mib}, 0, false},
		"sockets have left since":        {usage{}, usage{mib, 10 * mib, 70 * mib}, 14 * mib, true},
		"everything that it has is used": {usage{}, usage{mib, 90 * mib, 80 * mib}, 0, false},
	} {
		assert.Equal(t, tc.want, worthTrimming(tc.before, tc.now, tc.kept), name)
	}
}

func TestReadUsage_ReadsTheRuntime(t *testing.T) {
	u := readUsage()
	assert.Positive(t, u.allocated)
	assert.Positive(t, u.resident)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	trim(ctx) // returns
}
