package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestDrain_FitsIntoTheShutdown(t *testing.T) {
	const s = time.Second
	for given, want := range map[Drain]Drain{
		{Finish: 5 * s, Window: 10 * s, Shutdown: 30 * s}:  {Finish: 5 * s, Window: 10 * s, Shutdown: 30 * s},
		{Finish: 5 * s, Window: 10 * s, Shutdown: 15 * s}:  {Finish: 4 * s, Window: 8 * s, Shutdown: 15 * s},
		{Finish: 5 * s, Window: 120 * s, Shutdown: 30 * s}: {Finish: 5 * s, Window: 19 * s, Shutdown: 30 * s},
		{Finish: 20 * s, Window: 5 * s, Shutdown: 30 * s}:  {Finish: 19 * s, Window: 5 * s, Shutdown: 30 * s},
		{Finish: 60 * s, Window: 0, Shutdown: 30 * s}:      {Finish: 24 * s, Window: 0, Shutdown: 30 * s},
	} {
		assert.Equal(t, want, given.Fit())
	}
}
