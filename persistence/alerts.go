package persistence

import (
	"context"
	"time"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/persistence/internal/record"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

// Alerts stores alerts that staff have not received yet. An alert is part of its
// event's document, so the two are written and erased together.
type Alerts struct{ s *Store }

// Alerts returns the store of pending alerts.
func (s *Store) Alerts() *Alerts { return &Alerts{s} }

// alertDoc is an event's alert. Channels holds names of channels, not their
// receivers.
type alertDoc struct {
	State string             `bson:"state"`
	Due   primitive.DateTime `bson:"due"`
	Tries int                `bson:"tries"`
	Token string             `bson:"token,omitempty"`
	Sent  []string           `bson:"sent,omitempty"`
}

func newAlertDoc(a *chatbox.Alert) *alertDoc {
	if a == nil {
		return nil
	}
	return &alertDoc{
		State: string(a.State), Due: dateOf(a.Due), Tries: a.Tries, Token: a.Token, Sent: a.Sent,
	}
}

func (a *Alerts) tasks() tasks { return tasks{s: a.s, field: fieldAlert, noun: "an alert"} }

// DueAlerts returns pending alerts due before the given time, over all sessions,
// oldest first.
func (a *Alerts) DueAlerts(ctx context.Context, before time.Time, limit int) ([]helpdesk.AlertKey, error) {
	docs, err := a.tasks().due(ctx, before, limit)
	if err != nil {
		return nil, err
	}
	keys := make([]helpdesk.AlertKey, 0, len(docs))
	for _, d := range docs {
		keys = append(keys, helpdesk.AlertKey{Session: chatbox.SessionKey{Tenant: d.Tenant, ID: d.Session}, Seq: d.Seq})
	}
	return keys, nil
}

// ClaimAlert assigns the alert to the token until the given time and counts the
// attempt. It fails with chatbox.NotOwner if the alert is settled or not due at
// now, and with chatbox.NotFound if there is no such alert.
func (a *Alerts) ClaimAlert(ctx context.Context, k helpdesk.AlertKey, token string, now, until time.Time) (helpdesk.AlertTask, error) {
	due := bson.D{{Key: "alert.state", Value: taskPending}, {Key: "alert.due", Value: bson.D{{Key: "$lte", Value: dateOf(now)}}}}
	d, err := a.tasks().claim(ctx, k.Session, k.Seq, due, token, until)
	switch {
	case err != nil:
		return helpdesk.AlertTask{}, err
	case d.Alert == nil:
		return helpdesk.AlertTask{}, record.NoEvent(k.Session)
	}
	return helpdesk.AlertTask{
		Key: k, Owner: d.Owner, Since: record.Time(int64(d.Time)),
		Alert: chatbox.Alert{
			State: chatbox.AlertState(d.Alert.State), Due: record.Time(int64(d.Alert.Due)), Tries: d.Alert.Tries,
			Token: d.Alert.Token, Sent: d.Alert.Sent,
		},
	}, nil
}

// MarkAlert records that the channel has accepted the alert.
func (a *Alerts) MarkAlert(ctx context.Context, k helpdesk.AlertKey, channel string) error {
	_, err := a.tasks().update(ctx, "mark an alert",
		append(eventAt(k.Session, k.Seq), bson.E{Key: "alert.state", Value: bson.D{{Key: "$exists", Value: true}}}),
		bson.D{{Key: "$addToSet", Value: bson.D{{Key: "alert.sent", Value: channel}}}})
	return err
}

// SettleAlert ends the token's claim. It does nothing if another token holds the
// claim by now.
func (a *Alerts) SettleAlert(ctx context.Context, k helpdesk.AlertKey, token string, to chatbox.AlertState, due time.Time) error {
	return a.tasks().settle(ctx, k.Session, k.Seq, token, string(to), due)
}
