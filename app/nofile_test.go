package app

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestFiles_AreEnoughForTheSockets(t *testing.T) {
	assert.Empty(t, doubtFiles(math.MaxUint64, 20000, 4096), "no limit")
	assert.Empty(t, doubtFiles(25120, 20000, 4096))
	said := doubtFiles(1024, 20000, 4096)
	for _, part := range []string{"1024 files", "need 25120", "MAX_CONNECTIONS is 20000", "MAX_UNAUTHENTICATED 4096"} {
		assert.Contains(t, said, part)
	}
	limit, known := openFiles()
	assert.True(t, known && limit > 0)
}
