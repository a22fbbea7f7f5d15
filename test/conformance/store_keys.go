package conformance

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"chatbox"
	"chatbox/persistence"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// KeysFixture is one history, empty at first, that pods with different keys open.
type KeysFixture struct {
	// Open opens it under the keys; check is what a pod asks before it uses it.
	Open func(t *testing.T, keys ...persistence.Key) (s Stores, check func(context.Context) error)
	// Forget removes the check values: what an earlier version wrote has none.
	Forget func(t *testing.T)
	// Retire marks the key as gone for good, as the runbook says.
	Retire func(t *testing.T, id string)
	// AlterBox is that of StoreFixture.
	AlterBox func(t *testing.T, k chatbox.SessionKey, seq int64)
	// AtRest is all that is stored.
	AtRest func(t *testing.T) []byte
}

// Keys runs the contract of a store as far as the keys of its pods go; open is
// called once for each part.
func Keys(t *testing.T, open func(t *testing.T) KeysFixture) {
	t.Helper()
	for name, run := range map[string]func(*testing.T, KeysFixture){
		"TheFirstPodDecides":             keysFirst,
		"Rotation":                       keysRotation,
		"OneWinsARaceOfDifferentKeys":    keysRace,
		"PodsOfOneKeyAllPass":            keysTogether,
		"AnEarlierVersionsRecordsDecide": keysEarlier,
		"DamagedRecordsDoNotDecide":      keysDamaged,
		"ARetiredKeyIsNotAskedFor":       keysRetired,
		"ALostKeyCanBeGivenUp":           keysLost,
		"ARotationSealsEverythingAgain":  resealsAll,
		"ARotationGoesAroundWhatIsNew":   resealsAround,
	} {
		t.Run(name, func(t *testing.T) { run(t, open(t)) })
	}
}

func keyOf(id string, secret byte) persistence.Key {
	return persistence.Key{ID: id, Secret: [32]byte{3: secret, 30: 7}}
}

// fits checks the keys, and insists that what is refused has written nothing.
func (f KeysFixture) fits(t *testing.T, keys ...persistence.Key) {
	t.Helper()
	_, check := f.Open(t, keys...)
	require.NoError(t, check(t.Context()))
}

func (f KeysFixture) refused(t *testing.T, says string, keys ...persistence.Key) {
	t.Helper()
	_, check := f.Open(t, keys...)
	before := f.AtRest(t)
	var unfit *chatbox.UnfitError
	require.ErrorAs(t, check(t.Context()), &unfit)
	assert.Contains(t, unfit.Reason, says)
	assert.Equal(t, before, f.AtRest(t), "nothing was written")
}

func keysFirst(t *testing.T, f KeysFixture) {
	t.Helper()
	f.fits(t, keyOf("default", 1))
	f.fits(t, keyOf("default", 1))
	f.refused(t, `"default"`, keyOf("default", 2))
	f.refused(t, `"default"`, keyOf("other", 1))
	f.fits(t, keyOf("default", 1))
}

func keysRotation(t *testing.T, f KeysFixture) {
	t.Helper()
	older, newer := keyOf("old", 1), keyOf("new", 2)
	f.fits(t, older)
	f.fits(t, older, newer)
	f.fits(t, older) // the new one seals nothing yet
	f.fits(t, newer, older)
	f.fits(t, older, newer)
	f.refused(t, `"new"`, older)
	f.refused(t, `"old"`, newer)
	f.refused(t, `"new"`, older, keyOf("new", 3))
	f.fits(t, keyOf("next", 9), newer, older)
}

func keysRace(t *testing.T, f KeysFixture) {
	t.Helper()
	const pods = 6
	checks := make([]func(context.Context) error, pods)
	for i := range pods {
		_, checks[i] = f.Open(t, keyOf(fmt.Sprint("k", i/2), byte(i)))
	}
	errs := make([]error, pods)
	var wg sync.WaitGroup
	for i, check := range checks {
		wg.Go(func() { errs[i] = check(t.Context()) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		require.ErrorAs(t, err, new(*chatbox.UnfitError))
	}
	assert.Equal(t, 1, won)
}

func keysTogether(t *testing.T, f KeysFixture) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range 6 {
		keys := []persistence.Key{keyOf("old", 1), keyOf("new", 2)}
		if i%2 > 0 {
			keys[0], keys[1] = keys[1], keys[0]
		}
		_, check := f.Open(t, keys...)
		wg.Go(func() { assert.NoError(t, check(t.Context())) })
	}
	wg.Wait()
}

// earlier fills the history as a version without check values would.
func (f KeysFixture) earlier(t *testing.T, k chatbox.SessionKey, key persistence.Key) {
	t.Helper()
	s, check := f.Open(t, key)
	require.NoError(t, check(t.Context()))
	_, _, err := s.Sessions.Create(t.Context(), chatbox.Session{Key: k, Owner: "u", Name: "a name", CreatedAt: epoch})
	require.NoError(t, err)
	fill(t, s, k, 3)
	f.Forget(t)
}

func keysEarlier(t *testing.T, f KeysFixture) {
	t.Helper()
	k := newKey()
	f.earlier(t, k, keyOf("old", 1))
	f.refused(t, `"old"`, keyOf("old", 2))
	f.refused(t, `"old"`, keyOf("new", 1))
	f.refused(t, `"old"`, keyOf("new", 1), keyOf("old", 2))
	f.fits(t, keyOf("new", 3), keyOf("old", 1))
	f.refused(t, `"old"`, keyOf("new", 3)) // it is entered, too
	f.refused(t, `"new"`, keyOf("old", 1))
	s, check := f.Open(t, keyOf("old", 1), keyOf("new", 3))
	require.NoError(t, check(t.Context()))
	got, err := s.Messages.Range(t.Context(), k, 1, 3)
	require.NoError(t, err)
	assert.Equal(t, "message 3", got[2].Content)
}

func keysDamaged(t *testing.T, f KeysFixture) {
	t.Helper()
	k := newKey()
	f.earlier(t, k, keyOf("old", 1))
	f.AlterBox(t, k, 1)
	f.AlterBox(t, k, 3)
	f.refused(t, `"old"`, keyOf("old", 2))
	f.fits(t, keyOf("old", 1))
	f.AlterBox(t, k, 2)
	f.fits(t, keyOf("old", 1)) // the check value decides from now on
	f.refused(t, `"old"`, keyOf("old", 2))
}

func keysRetired(t *testing.T, f KeysFixture) {
	t.Helper()
	f.fits(t, keyOf("old", 1))
	f.fits(t, keyOf("new", 2), keyOf("old", 1))
	f.refused(t, `"old"`, keyOf("new", 2))
	f.Retire(t, "old")
	f.fits(t, keyOf("new", 2))
	f.fits(t, keyOf("new", 2), keyOf("old", 1))
	f.refused(t, `"old" was retired`, keyOf("old", 1), keyOf("new", 2))
	f.refused(t, `"new"`, keyOf("third", 2))
}

func keysLost(t *testing.T, f KeysFixture) {
	t.Helper()
	f.earlier(t, newKey(), keyOf("lost", 1))
	f.refused(t, `"lost"`, keyOf("new", 2))
	f.Retire(t, "lost")
	f.fits(t, keyOf("new", 2))
	f.refused(t, `"new"`, keyOf("third", 2))
}
