package persistence

import (
	"context"
	"errors"

	"chatbox"
	"chatbox/persistence/internal/record"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// feedbackDoc is the owner's feedback on an answer, inside the answer's document.
// The comment is sealed.
type feedbackDoc struct {
	Value   string             `bson:"value"`
	Comment []byte             `bson:"comment,omitempty"`
	Time    primitive.DateTime `bson:"time"`
}

// Names of fields of a session's document, which list the places of its answers
// with that feedback. Staff's list filters by them.
const (
	fieldLiked    = "liked"
	fieldDisliked = "disliked"
)

// markTries is how often the lists of a session are written while feedback on the
// same answer changes.
const markTries = 4

// SetFeedback replaces the feedback of the answer at seq and returns the feedback
// before; nil is none. It returns chatbox.NotFound if there is no such answer.
func (m *Messages) SetFeedback(ctx context.Context, k chatbox.SessionKey, seq int64, f *chatbox.Feedback) (before *chatbox.Feedback, err error) {
	const act = "store feedback"
	change := bson.D{{Key: "$unset", Value: bson.D{{Key: "feedback", Value: ""}}}}
	if f != nil {
		box, err := record.SealText(m.s.keys, k, record.PartFeedback(seq), f.Comment)
		if err != nil {
			return nil, record.Failed(act, err)
		}
		doc := feedbackDoc{Value: string(f.Opinion), Comment: box, Time: primitive.DateTime(record.Millis(f.Time))}
		change = bson.D{{Key: "$set", Value: bson.D{{Key: "feedback", Value: doc}}}}
	}
	filter := append(eventAt(k, seq), bson.E{Key: "type", Value: string(chatbox.TypeAnswer)})
	d, err := m.changeFeedback(ctx, act, k, filter, change)
	if err != nil {
		return nil, err
	}
	return m.s.decodeFeedback(k, seq, d), m.markFeedback(ctx, act, k, seq, f.Value())
}

// changeFeedback returns the feedback before the change.
func (m *Messages) changeFeedback(ctx context.Context, act string, k chatbox.SessionKey, filter, change bson.D) (*feedbackDoc, error) {
	var d struct {
		Feedback *feedbackDoc `bson:"feedback"`
	}
	only := options.FindOneAndUpdate().SetReturnDocument(options.Before).SetProjection(bson.D{{Key: "feedback", Value: 1}})
	err := m.s.do(ctx, act, func(ctx context.Context) error {
		return m.s.messages.FindOneAndUpdate(ctx, filter, change, only).Decode(&d)
	})
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, record.NoEvent(k)
	}
	return d.Feedback, err
}

// markFeedback lists the answer in its session by the opinion. If another has come
// meanwhile, the answer is listed by that.
func (m *Messages) markFeedback(ctx context.Context, act string, k chatbox.SessionKey, seq int64, o chatbox.Opinion) error {
	for range markTries {
		err := m.s.do(ctx, act, func(ctx context.Context) error {
			_, err := m.s.sessions.UpdateOne(ctx, append(placeOf(k), bson.E{Key: "erased", Value: false}), listBy(o, seq))
			return err
		})
		if err != nil {
			return err
		}
		e, err := m.s.findEvent(ctx, act, k, eventAt(k, seq))
		if errors.Is(err, chatbox.NotFound) {
			return nil // erased meanwhile
		}
		if err != nil || e.Feedback.Value() == o {
			return err
		}
		o = e.Feedback.Value()
	}
	return chatbox.NewError(chatbox.Unavailable, "the feedback on this answer changes all the time; please try again", nil)
}

// listBy returns the update that lists the answer by the opinion.
func listBy(o chatbox.Opinion, seq int64) bson.D {
	if o == chatbox.OpinionNone {
		return bson.D{{Key: "$pull", Value: bson.D{{Key: fieldLiked, Value: seq}, {Key: fieldDisliked, Value: seq}}}}
	}
	in, out := fieldLiked, fieldDisliked
	if o == chatbox.OpinionDown {
		in, out = out, in
	}
	return bson.D{{Key: "$addToSet", Value: bson.D{{Key: in, Value: seq}}}, {Key: "$pull", Value: bson.D{{Key: out, Value: seq}}}}
}

func (s *Store) decodeFeedback(k chatbox.SessionKey, seq int64, d *feedbackDoc) *chatbox.Feedback {
	if d == nil {
		return nil
	}
	return record.OpenFeedback(s.keys, k, seq, d.Value, d.Comment, int64(d.Time))
}

// feedbackFilter matches sessions that have an answer with the feedback.
func feedbackFilter(filter bson.D, o chatbox.Opinion) bson.D {
	switch o {
	case chatbox.OpinionUp:
		return append(filter, bson.E{Key: fieldLiked, Value: bson.D{{Key: "$gt", Value: 0}}})
	case chatbox.OpinionDown:
		return append(filter, bson.E{Key: fieldDisliked, Value: bson.D{{Key: "$gt", Value: 0}}})
	default:
		return filter
	}
}
