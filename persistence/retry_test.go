package persistence

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"go.mongodb.org/mongo-driver/mongo"
)

func TestAgain_OnlyWhatTheServerUndid(t *testing.T) {
	conflict := mongo.CommandError{Code: 112, Name: "WriteConflict"}
	locked := mongo.WriteException{WriteErrors: mongo.WriteErrors{{Code: 16908292, Message: "deadlock detected"}}}
	duplicate := mongo.WriteException{WriteErrors: mongo.WriteErrors{{Code: 11000}}}
	broken := errors.New("connection reset")
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			results []error
			tries   int
			want    error
		}{
			{[]error{nil}, 1, nil},
			{[]error{conflict, locked, nil}, 3, nil},
			{[]error{locked, duplicate}, 2, duplicate},
			{[]error{broken}, 1, broken},
			{[]error{locked, locked, locked, locked, locked, nil}, yieldTries, locked},
		} {
			tries := 0
			err := again(t.Context(), func(context.Context) error {
				tries++
				return c.results[tries-1]
			})
			assert.Equal(t, c.want, err)
			assert.Equal(t, c.tries, tries)
		}
	})
}
