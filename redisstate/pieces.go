package redisstate

import (
	"context"
	"encoding/json"
	"fmt"

	"chatbox"
	"chatbox/cluster"
)

// Start announces an answer: with loading for a first attempt, else with an
// empty snapshot that withdraws the text of the earlier attempt.
func (c *Client) Start(ctx context.Context, l cluster.Lease, o cluster.OpenAnswer) error {
	u := cluster.Update{Session: l.Session, Owner: l.Owner}
	if o.Attempt == 0 {
		u.Loading = &cluster.Loading{AnswerID: o.AnswerID, Gen: o.Gen, ReplyTo: o.ReplyTo, ModelID: o.ModelID}
	} else {
		p := o.Snapshot()
		u.Piece = &p
	}
	box, err := c.sealUpdate(u)
	if err != nil {
		return err
	}
	card, err := cardOf(openCard{AnswerID: o.AnswerID, ReplyTo: o.ReplyTo, ModelID: o.ModelID})
	if err != nil {
		return err
	}
	k := keysOf(l.Session)
	return c.owned(ctx, "start.lua", []string{k.state, k.lease, k.pieces},
		l.Token, genString(l.Gen), o.Attempt, card, k.channel, box)
}

// Append accepts and publishes one piece under its lease.
func (c *Client) Append(ctx context.Context, l cluster.Lease, p cluster.Piece) error {
	box, err := c.sealUpdate(cluster.Update{Session: l.Session, Owner: l.Owner, Piece: &p})
	if err != nil {
		return err
	}
	card, err := cardOf(openCard{
		AnswerID: p.AnswerID, ReplyTo: p.ReplyTo, ModelID: p.ModelID,
		Prompt: p.Spent.Prompt, Completion: p.Spent.Completion, Estimated: p.Spent.Estimated,
	})
	if err != nil {
		return err
	}
	k := keysOf(l.Session)
	got, err := c.together.call(ctx, len(box), "piece.lua", []string{k.state, k.lease, k.pieces},
		l.Token, genString(l.Gen), p.Attempt, p.Index, flag(p.Snapshot), box, k.channel, card, ms(logTTL))
	switch {
	case err != nil:
		return wrap("append piece", err)
	case got == "lost":
		return chatbox.NewError(chatbox.NotOwner, "", nil)
	case got == "empty":
		return chatbox.NewError(chatbox.NotFound, "", nil)
	case got == "reopen":
		return chatbox.NewError(chatbox.Clash, "", nil)
	}
	return nil
}

func cardOf(o openCard) (string, error) {
	b, err := json.Marshal(o)
	if err != nil {
		return "", fmt.Errorf("encode open answer: %w", err)
	}
	return string(b), nil
}
