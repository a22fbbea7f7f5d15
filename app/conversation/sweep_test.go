package conversation

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"chatbox"

	"github.com/stretchr/testify/assert"
)

// turnTable is a TurnStore that only knows what is pending.
type turnTable struct {
	TurnStore

	pending []chatbox.PendingTurn // by time
	pages   int
	settled int
}

func (t *turnTable) PendingTurns(_ context.Context, from, before time.Time, limit int) ([]chatbox.PendingTurn, error) {
	t.pages++
	var page []chatbox.PendingTurn
	for _, p := range t.pending {
		if !p.Since.Before(from) && p.Since.Before(before) && len(page) < limit {
			page = append(page, p)
		}
	}
	return page, nil
}

func (t *turnTable) SettleTurn(context.Context, chatbox.SessionKey, chatbox.Gen, chatbox.TurnState) error {
	t.settled++
	return nil
}

// hotLog answers Read for every session alike and notes which were asked for.
type hotLog struct {
	Log

	tail chatbox.Tail
	read []string
}

func (l *hotLog) Read(_ context.Context, k chatbox.SessionKey, _ int64) (chatbox.Tail, error) {
	l.read = append(l.read, k.ID)
	return l.tail, nil
}

// However many turns a lost Redis forgot, and however many share a moment, one
// sweep comes to the last of them; what a person holds stays pending and must
// not stand in the way of the others.
func TestSweepPending_ComesToTheLast(t *testing.T) {
	base := time.UnixMilli(1_700_000_000_000).UTC()
	for name, moment := range map[string]func(i int) time.Time{
		"one by one":        func(i int) time.Time { return base.Add(time.Duration(i) * time.Millisecond) },
		"all at once":       func(int) time.Time { return base },
		"a crowd, then few": func(i int) time.Time { return base.Add(time.Duration(max(0, i-3*pendingPage)) * time.Millisecond) },
	} {
		t.Run(name, func(t *testing.T) {
			turns := &turnTable{}
			for i := range 5*pendingPage + 7 {
				turns.pending = append(turns.pending, chatbox.PendingTurn{
					Session: chatbox.SessionKey{ID: fmt.Sprint(i)}, Gen: chatbox.Gen{Seq: 1, Run: 1}, Since: moment(i),
				})
			}
			log := &hotLog{tail: chatbox.Tail{Seeded: true, Owner: "u", State: chatbox.State{Head: 9, HolderID: "agent", AnswerableFrom: 9}}}
			s := New(DefaultConfig(), Deps{Turns: turns, Log: log, Logger: slog.New(slog.DiscardHandler)})
			s.sweepPending(t.Context(), time.Second)
			slices.Sort(log.read)
			assert.Len(t, slices.Compact(log.read), len(turns.pending))
			assert.Less(t, turns.pages, 12, "in pages, not one by one")
			assert.Zero(t, turns.settled, "an automatic leave may have the last one answered")
		})
	}
}
