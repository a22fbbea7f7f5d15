package rotate

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/persistence"
)

// history answers as it is told, and says what it was asked.
type history struct {
	found  persistence.Inspection
	report persistence.ResealReport
	err    error
	asked  []string
}

func (h *history) Inspect(context.Context) (persistence.Inspection, error) { return h.found, nil }

func (h *history) Survey(context.Context) ([]string, error) { return nil, nil }

func (h *history) Reseal(_ context.Context, opts persistence.ResealOptions) (persistence.ResealReport, error) {
	h.asked = append(h.asked, "reseal")
	opts.Say(h.report)
	return h.report, h.err
}

func (h *history) ResealStatus(context.Context) (persistence.ResealReport, error) {
	h.asked = append(h.asked, "status")
	return h.report, h.err
}

func (*history) Close(context.Context) error { return nil }

func call(t *testing.T, h *history, opts Options) (out, errs string, err error) {
	t.Helper()
	var o, e bytes.Buffer
	err = run(t.Context(), h, opts, &o, &e)
	return o.String(), e.String(), err
}

func TestRun_NothingBeforeThePodsHaveTheKey(t *testing.T) {
	for _, found := range []persistence.Inspection{
		{NewKeys: true}, {Keys: &chatbox.UnfitError{Reason: "wrong"}},
	} {
		h := &history{found: found}
		_, _, err := call(t, h, Options{})
		require.ErrorAs(t, err, new(*chatbox.UnfitError))
		assert.Empty(t, h.asked)
	}
}

func TestRun_SaysWhatItDid(t *testing.T) {
	h := &history{report: persistence.ResealReport{Kinds: []persistence.ResealCount{{Kind: "messages", Total: 9, Seen: 9, Moved: 7, Changed: 1, Unreadable: 2}}}}
	out, errs, err := call(t, h, Options{})
	require.NoError(t, err)
	assert.Contains(t, out, "messages          9 read         7 sealed again         1 changed meanwhile: call again         2 unreadable\n")
	assert.Contains(t, errs, "messages: 9 of about 9 read, 7 sealed again\n")
	h.err = errors.New("away")
	_, _, err = call(t, h, Options{})
	require.ErrorContains(t, err, "away; the next call continues here")
}

func TestStatus_SaysWhichKeysAreNeeded(t *testing.T) {
	h := &history{report: persistence.ResealReport{Kinds: []persistence.ResealCount{
		{Kind: "messages", Total: 9}, {Kind: "shares", Total: 3, Stays: true, Old: map[string]int64{"old": 2, persistence.ResealUnknown: 1}},
	}}}
	out, _, err := call(t, h, Options{Status: true})
	require.ErrorIs(t, err, ErrLeft)
	assert.Contains(t, out, "shares            3  an older key: 1  old: 2  (not sealed again)\n")
	assert.Equal(t, []string{"status"}, h.asked)
	h.report.Kinds = h.report.Kinds[:1]
	out, _, err = call(t, h, Options{Status: true})
	require.NoError(t, err)
	assert.Contains(t, out, "nothing needs an older key\n")
}
