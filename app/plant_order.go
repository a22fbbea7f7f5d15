//go:build defect_order

package app

import (
	"context"
	"sync"

	"chatbox"
	"chatbox/app/conversation"
)

// plant has sockets subscribe after they have read instead of before: what
// happens in between is neither heard nor read.
func plant(d *conversation.Deps) {
	l := &lateBus{Bus: d.Bus, owed: map[chatbox.SessionKey]int{}}
	d.Bus, d.Log = l, readFirst{d.Log, l}
}

type lateBus struct {
	conversation.Bus

	mu   sync.Mutex // guards owed
	owed map[chatbox.SessionKey]int
}

func (b *lateBus) Subscribe(_ context.Context, s chatbox.SessionKey) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.owed[s]++
	return nil
}

func (b *lateBus) pay(ctx context.Context, s chatbox.SessionKey) error {
	b.mu.Lock()
	n := b.owed[s]
	delete(b.owed, s)
	b.mu.Unlock()
	for range n {
		if err := b.Bus.Subscribe(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

type readFirst struct {
	conversation.Log
	bus *lateBus
}

func (l readFirst) Read(ctx context.Context, s chatbox.SessionKey, after int64) (chatbox.Tail, error) {
	tail, err := l.Log.Read(ctx, s, after)
	if err == nil {
		err = l.bus.pay(ctx, s)
	}
	return tail, err
}
