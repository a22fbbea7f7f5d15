package persistence

import (
	"context"
	"errors"
	"time"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/persistence/internal/record"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
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
		State: string(a.State), Due: primitive.DateTime(record.Millis(a.Due)), Tries: a.Tries, Token: a.Token, Sent: a.Sent,
	}
}

// alertIndex covers pending alerts only, so it stays small.
func alertIndex() mongo.IndexModel {
	return mongo.IndexModel{
		Keys: bson.D{{Key: "alert.due", Value: 1}},
		Options: options.Index().SetName(indexAlert).
			SetPartialFilterExpression(bson.D{{Key: "alert.state", Value: string(chatbox.AlertPending)}}),
	}
}

const indexAlert = "alert_due"

// DueAlerts returns pending alerts due before the given time, over all sessions,
// oldest first.
func (a *Alerts) DueAlerts(ctx context.Context, before time.Time, limit int) ([]helpdesk.AlertKey, error) {
	var docs []messageDoc
	err := a.s.find(ctx, "find due alerts", &docs, a.s.messages, dueBefore(before), options.Find().
		SetSort(bson.D{{Key: "alert.due", Value: 1}}).
		SetLimit(int64(limit)).
		SetProjection(bson.D{{Key: "tenant", Value: 1}, {Key: "session", Value: 1}, {Key: "seq", Value: 1}}))
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
	const act = "claim an alert"
	var d messageDoc
	err := a.s.do(ctx, act, func(ctx context.Context) error {
		return a.s.messages.FindOneAndUpdate(ctx,
			append(alertOf(k),
				bson.E{Key: "alert.state", Value: string(chatbox.AlertPending)},
				bson.E{Key: "alert.due", Value: bson.D{{Key: "$lte", Value: primitive.DateTime(record.Millis(now))}}}),
			bson.D{
				{Key: "$set", Value: bson.D{
					{Key: "alert.token", Value: token}, {Key: "alert.due", Value: primitive.DateTime(record.Millis(until))},
				}},
				{Key: "$inc", Value: bson.D{{Key: "alert.tries", Value: 1}}},
			},
			options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&d)
	})
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return helpdesk.AlertTask{}, a.unclaimed(ctx, k)
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

// unclaimed returns the reason why an alert could not be claimed.
func (a *Alerts) unclaimed(ctx context.Context, k helpdesk.AlertKey) error {
	err := a.s.do(ctx, "find an alert", func(ctx context.Context) error {
		return a.s.messages.FindOne(ctx,
			append(alertOf(k), bson.E{Key: "alert.state", Value: bson.D{{Key: "$exists", Value: true}}}),
			options.FindOne().SetProjection(bson.D{{Key: "seq", Value: 1}})).Err()
	})
	if errors.Is(err, mongo.ErrNoDocuments) {
		return record.NoEvent(k.Session)
	}
	if err != nil {
		return err
	}
	return chatbox.NewError(chatbox.NotOwner, "the alert is settled or another's", nil)
}

// MarkAlert records that the channel has accepted the alert.
func (a *Alerts) MarkAlert(ctx context.Context, k helpdesk.AlertKey, channel string) error {
	return a.update(ctx, "mark an alert",
		append(alertOf(k), bson.E{Key: "alert.state", Value: bson.D{{Key: "$exists", Value: true}}}),
		bson.D{{Key: "$addToSet", Value: bson.D{{Key: "alert.sent", Value: channel}}}})
}

// SettleAlert ends the token's claim. It does nothing if another token holds the
// claim by now.
func (a *Alerts) SettleAlert(ctx context.Context, k helpdesk.AlertKey, token string, to chatbox.AlertState, due time.Time) error {
	return a.update(ctx, "settle an alert",
		append(alertOf(k),
			bson.E{Key: "alert.state", Value: string(chatbox.AlertPending)},
			bson.E{Key: "alert.token", Value: token}),
		bson.D{{Key: "$set", Value: bson.D{
			{Key: "alert.state", Value: string(to)}, {Key: "alert.due", Value: primitive.DateTime(record.Millis(due))}, {Key: "alert.token", Value: ""},
		}}})
}

func (a *Alerts) update(ctx context.Context, act string, filter, change bson.D) error {
	return a.s.do(ctx, act, func(ctx context.Context) error {
		_, err := a.s.messages.UpdateOne(ctx, filter, change)
		return err
	})
}

func alertOf(k helpdesk.AlertKey) bson.D {
	return append(placeOf(k.Session), bson.E{Key: "seq", Value: k.Seq})
}

func dueBefore(t time.Time) bson.D {
	return bson.D{
		{Key: "alert.state", Value: string(chatbox.AlertPending)},
		{Key: "alert.due", Value: bson.D{{Key: "$lt", Value: primitive.DateTime(record.Millis(t))}}},
	}
}
