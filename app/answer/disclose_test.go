package answer

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
)

const disclosure = "A model answers you."

// types returns the types of the session's log in order.
func (d *desk) types() (all []chatbox.Type) {
	for _, e := range d.history.Log(session) {
		all = append(all, e.Type)
	}
	return all
}

func TestDisclosure_OncePrecedesTheFirstAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, says("Hello"))
		d.cfg.Disclosure = disclosure
		d.ask(t, "m1", "hi")
		require.NoError(t, d.reply(t.Context(), session))
		d.cfg.Disclosure = "Another text."
		d.ask(t, "m2", "and?")
		require.NoError(t, d.reply(t.Context(), session))
		assert.Equal(t, []chatbox.Type{
			chatbox.TypeUserMessage, chatbox.TypeDisclosure, chatbox.TypeAnswer, chatbox.TypeUserMessage, chatbox.TypeAnswer,
		}, d.types())
		said := d.of(chatbox.TypeDisclosure)[0]
		assert.Equal(t, disclosure, said.Content)
		assert.Equal(t, chatbox.SenderSystem, said.Sender)
		for _, p := range d.prompts {
			for _, m := range p.Messages {
				assert.NotContains(t, m.Content, disclosure, "a model reads it")
			}
		}
	})
}

// A pod of an older version folds on without the mark.
func TestDisclosure_AFoldWithoutTheMarkMakesNoSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, says("Hello"))
		d.cfg.Disclosure = disclosure
		d.ask(t, "m1", "hi")
		require.NoError(t, d.reply(t.Context(), session))
		g := &generation{s: d.Service, index: -1}
		g.lease.Session = session
		require.NoError(t, g.disclose(t.Context(), chatbox.State{}))
		assert.Equal(t, 1, d.count(chatbox.TypeDisclosure))
	})
}

func TestDisclosure_NoneWithoutATextOrWhileAPersonHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, says("Hello"))
		d.ask(t, "m1", "hi")
		require.NoError(t, d.reply(t.Context(), session))
		assert.Zero(t, d.count(chatbox.TypeDisclosure))

		d.cfg.Disclosure = disclosure
		_, err := d.append(t, "join", join())
		require.NoError(t, err)
		g := &generation{s: d.Service, index: -1}
		g.lease.Session = session
		require.ErrorIs(t, g.disclose(t.Context(), chatbox.State{}), chatbox.NotOwner)
		assert.Zero(t, d.count(chatbox.TypeDisclosure))
	})
}
