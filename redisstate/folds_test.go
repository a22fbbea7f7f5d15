package redisstate

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"chatbox"
)

func TestFolds_OnlyTheOwnAndTheLatest(t *testing.T) {
	var f folds
	ada, bob := chatbox.SessionKey{Tenant: "t", ID: "ada"}, chatbox.SessionKey{Tenant: "t", ID: "bob"}
	f.put(ada, "box 1", chatbox.State{Head: 1})
	f.put(ada, "box 2", chatbox.State{Head: 2})
	st, known := f.get(ada, "box 2")
	assert.True(t, known)
	assert.EqualValues(t, 2, st.Head)
	_, known = f.get(ada, "box 1")
	assert.False(t, known, "an older copy is opened")
	_, known = f.get(bob, "box 2")
	assert.False(t, known, "a box moved to another session is not trusted")
	f.forget(ada)
	for _, box := range []string{"box 2", ""} {
		_, known = f.get(ada, box)
		assert.False(t, known, "erased")
	}
}

func TestFolds_AreBounded(t *testing.T) {
	var f folds
	key := func(i int) chatbox.SessionKey { return chatbox.SessionKey{ID: fmt.Sprint(i)} }
	for i := range 3 * mostFolds {
		f.put(key(i), "box", chatbox.State{})
		f.put(key(i), "box", chatbox.State{})
	}
	assert.Len(t, f.of, mostFolds)
	assert.Len(t, f.ring, mostFolds)
	_, known := f.get(key(2*mostFolds), "box")
	assert.True(t, known, "the newest stay")
}
