package answer

import (
	"context"
	"errors"

	"chatbox"
	"chatbox/cluster"
)

// fail ends the turn. If text was published, it is stored as a failed answer.
// Otherwise nothing enters the history.
func (g *generation) fail(ctx context.Context, failed error) error {
	why := chatbox.AsError(failed)
	if g.modelID != "" { // a model was asked
		g.s.deps.Observer.ModelFailed(g.modelID, why.Code)
	}
	if g.text.Len() > 0 || g.withdrawn {
		return g.final(ctx, chatbox.FinishError, why)
	}
	if err := g.s.deps.Turns.SettleTurn(ctx, g.lease.Session, g.lease.Gen, chatbox.TurnFailed); err != nil {
		return err
	}
	g.s.deps.Observer.Generation("failed")
	return g.drop(ctx, cluster.NewFailure(g.lease.Session, g.lease.Gen, g.message.ID, why, notAnswered))
}

// drop gives the turn back without an event in the history. If Redis has lost the
// turn, drop publishes the failure nevertheless.
func (g *generation) drop(ctx context.Context, f *cluster.Failure) error {
	err := g.s.deps.Leases.Drop(ctx, g.lease, f)
	if !errors.Is(err, chatbox.NotFound) {
		return err
	}
	if f == nil {
		return nil
	}
	return g.s.deps.Ephemerals.PublishEphemeral(ctx, cluster.Update{Session: g.lease.Session, Owner: g.lease.Owner, Failure: f})
}

// notAnswered is the text of a failure that has none.
const notAnswered = "The model could not answer. Please try again."

// FailureOf returns the failure of a generation with an unknown cause. replyTo is
// the ID of the message to answer.
func FailureOf(k chatbox.SessionKey, g chatbox.Gen, replyTo string) *cluster.Failure {
	return cluster.NewFailure(k, g, replyTo, chatbox.ModelFailed, notAnswered)
}
