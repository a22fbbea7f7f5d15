package cluster

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
)

// Every device sees the disclosure before the first word, once, also if questions
// reach several pods at once and the answering pod dies.
func TestDisclosure_BeforeTheFirstWordOnce(t *testing.T) {
	const text = "An AI model answers you."
	c := start(t, 3, func(cfg *devstack.Config) { cfg.Answer.Disclosure = text })
	var devices []*client.Client
	for range 3 {
		devices = append(devices, c.device("ada", "s-1", c.stack.URL()))
	}
	ids := make([]string, len(devices))
	var asked sync.WaitGroup
	for n, d := range devices {
		asked.Go(func() { ids[n] = c.say(d, "s-1", long) })
	}
	asked.Wait()
	c.streaming(devices[0], "s-1", ids[0], 1)
	require.NoError(t, c.stack.KillPod(c.generating()))
	for n, d := range devices {
		c.answered(d, "s-1", ids[n])
	}
	told, word := 0, 0
	for i, m := range c.history("ada", "s-1") {
		switch m.Type {
		case client.TypeDisclosure:
			told++
			assert.Equal(t, text, m.Content)
			assert.Equal(t, "system", m.Sender)
			assert.Zero(t, word, "after the first answer")
		case client.TypeAIResponse:
			word = i
		}
	}
	assert.Equal(t, 1, told)
	for _, d := range devices {
		told, spoke := 0, false
		for _, f := range received(d, "s-1") {
			spoke = spoke || f.Type == client.TypeAIResponse && f.Content != ""
			if f.Type == client.TypeDisclosure {
				told++
				assert.False(t, spoke, "it precedes the first word")
			}
		}
		assert.Equal(t, 1, told)
	}
	c.judge("ada", "s-1", nil, devices...)
}
