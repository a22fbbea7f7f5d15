package persistence

import (
	"context"
	"encoding/hex"
	"errors"
	"time"

	"chatbox"
	"chatbox/persistence/internal/record"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// Shares stores the links by which anyone may read a session as it was at one
// moment.
type Shares struct{ s *Store }

// shareDoc is one share in the collection shares. Its _id is a keyed digest of
// the token; only the holder of the link has the token.
type shareDoc struct {
	ID      string             `bson:"_id"`
	Tenant  string             `bson:"tenant"`
	Session string             `bson:"session"`
	Name    []byte             `bson:"name,omitempty"`
	Head    int64              `bson:"head"`
	Created primitive.DateTime `bson:"created"`
	Expires primitive.DateTime `bson:"expires"`
}

// MaxShares is the largest number of shares of a session.
const MaxShares = 100

// Add stores the share under its token and deletes the session's expired shares.
// It returns chatbox.Full if the session has MaxShares others.
func (m *Shares) Add(ctx context.Context, token string, sh chatbox.Share) error {
	const act = "add a share"
	id := hex.EncodeToString(m.s.keys.Digests(record.PurposeShare, token)[0])
	name, err := record.SealText(m.s.keys, sh.Session, record.PartShare+id, sh.Name)
	if err != nil {
		return record.Failed(act, err)
	}
	expired := bson.D{{Key: "$lt", Value: primitive.DateTime(record.Millis(sh.CreatedAt))}}
	var others int64
	err = m.s.do(ctx, act, func(ctx context.Context) error {
		if _, err := m.s.shares.DeleteMany(ctx, append(placeOf(sh.Session), bson.E{Key: "expires", Value: expired})); err != nil {
			return err
		}
		var err error
		others, err = m.s.shares.CountDocuments(ctx, placeOf(sh.Session), options.Count().SetLimit(MaxShares))
		return err
	})
	if err != nil {
		return err
	}
	if others >= MaxShares {
		return record.TooManyShares(MaxShares)
	}
	return m.s.do(ctx, act, func(ctx context.Context) error {
		_, err := m.s.shares.InsertOne(ctx, shareDoc{
			ID: id, Tenant: sh.Session.Tenant, Session: sh.Session.ID, Name: name, Head: sh.Head,
			Created: primitive.DateTime(record.Millis(sh.CreatedAt)), Expires: primitive.DateTime(record.Millis(sh.ExpiresAt)),
		})
		return err
	})
}

// ByToken returns the share, even if it is expired, or chatbox.NotFound. It finds
// tokens whose digest was made under any of the keys.
func (m *Shares) ByToken(ctx context.Context, token string) (chatbox.Share, error) {
	const act = "find a share"
	digests := m.s.keys.Digests(record.PurposeShare, token)
	ids := make(bson.A, len(digests))
	for i, d := range digests {
		ids[i] = hex.EncodeToString(d)
	}
	var d shareDoc
	err := m.s.do(ctx, act, func(ctx context.Context) error {
		return m.s.shares.FindOne(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}).Decode(&d)
	})
	if errors.Is(err, mongo.ErrNoDocuments) {
		return chatbox.Share{}, record.NoShare()
	}
	if err != nil {
		return chatbox.Share{}, err
	}
	sh := chatbox.Share{
		Session: chatbox.SessionKey{Tenant: d.Tenant, ID: d.Session}, Head: d.Head,
		CreatedAt: record.Time(int64(d.Created)), ExpiresAt: record.Time(int64(d.Expires)),
	}
	o := &record.Opener{Cipher: m.s.keys, Session: sh.Session}
	sh.Name, sh.Unreadable = o.Text(record.PartShare+d.ID, d.Name), o.Unreadable
	return sh, nil
}

// Revoke deletes all shares of the session.
func (m *Shares) Revoke(ctx context.Context, k chatbox.SessionKey) error {
	return m.remove(ctx, "revoke shares", placeOf(k))
}

// Expire deletes the shares that expired before the given time, for all sessions.
func (m *Shares) Expire(ctx context.Context, before time.Time) error {
	return m.remove(ctx, "expire shares", bson.D{
		{Key: "expires", Value: bson.D{{Key: "$lt", Value: primitive.DateTime(record.Millis(before))}}},
	})
}

func (m *Shares) remove(ctx context.Context, act string, filter bson.D) error {
	return m.s.do(ctx, act, func(ctx context.Context) error {
		_, err := m.s.shares.DeleteMany(ctx, filter)
		return err
	})
}
