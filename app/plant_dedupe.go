//go:build defect_dedupe

package app

import (
	"context"
	"crypto/rand"
	"strings"

	"chatbox"
	"chatbox/app/conversation"
)

// plant has repeats of clients' frames stored again: nobody looks for the
// first, and the history gets a key of its own for each.
func plant(d *conversation.Deps) {
	d.Messages, d.Log = everNew{d.Messages}, forgetful{d.Log}
}

type everNew struct{ conversation.MessageStore }

func (m everNew) Append(ctx context.Context, e chatbox.Event) error {
	if strings.HasPrefix(e.Key, "c:") {
		e.Key += "#" + rand.Text()
	}
	return m.MessageStore.Append(ctx, e)
}

type forgetful struct{ conversation.Log }

func (l forgetful) Begin(ctx context.Context, b chatbox.Beginning) (chatbox.Begun, error) {
	begun, err := l.Log.Begin(ctx, b)
	begun.Repeat = nil
	return begun, err
}
