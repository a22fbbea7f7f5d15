package persistence

import (
	"context"

	"chatbox"
	"chatbox/persistence/internal/record"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

// ratingDoc is the owner's rating of the session's newest talk, inside the
// session's document. The comment is sealed.
type ratingDoc struct {
	Score   int                `bson:"score"`
	Comment []byte             `bson:"comment,omitempty"`
	Time    primitive.DateTime `bson:"time"`
	Talk    int64              `bson:"talk"`
	Admin   string             `bson:"admin"`
}

// talkDoc is chatbox.Talk inside the fold.
type talkDoc struct {
	From  int64 `bson:"from,omitempty"`
	Ended int64 `bson:"ended,omitempty"`
	By    int64 `bson:"by,omitempty"`
}

// Rate stores the rating unless the session has one of a later talk, and returns
// the rating that is stored afterwards. It returns chatbox.NotFound if there is
// no such session or it is erased.
func (m *Sessions) Rate(ctx context.Context, k chatbox.SessionKey, r chatbox.Rating) (chatbox.Rating, error) {
	const act = "rate a talk"
	box, err := record.SealText(m.s.keys, k, record.PartRating, r.Comment)
	if err != nil {
		return chatbox.Rating{}, record.Failed(act, err)
	}
	filter := append(placeOf(k), bson.E{Key: "erased", Value: false}, bson.E{Key: "$or", Value: bson.A{
		bson.D{{Key: "rating", Value: bson.D{{Key: "$exists", Value: false}}}},
		bson.D{{Key: "rating.talk", Value: bson.D{{Key: "$lte", Value: r.Talk}}}},
	}})
	doc := ratingDoc{Score: r.Score, Comment: box, Time: primitive.DateTime(record.Millis(r.Time)), Talk: r.Talk, Admin: r.AdminID}
	kept := false
	err = m.s.do(ctx, act, func(ctx context.Context) error {
		done, err := m.s.sessions.UpdateOne(ctx, filter, bson.D{{Key: "$set", Value: bson.D{{Key: "rating", Value: doc}}}})
		kept = err == nil && done.MatchedCount == 1
		return err
	})
	if err != nil || kept {
		return r, err
	}
	s, err := m.Load(ctx, k)
	if err == nil && s.Rating == nil {
		err = record.NoSession(k) // erased
	}
	if err != nil {
		return chatbox.Rating{}, err
	}
	return *s.Rating, nil
}

// decodeRating returns nil if the session is not rated.
func decodeRating(o *record.Opener, d *ratingDoc) *chatbox.Rating {
	if d == nil {
		return nil
	}
	return &chatbox.Rating{
		Score: d.Score, Comment: o.Text(record.PartRating, d.Comment), Time: record.Time(int64(d.Time)), Talk: d.Talk, AdminID: d.Admin,
	}
}
