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

// Blocks stores the blocked users, one document per user.
type Blocks struct{ s *Store }

// Blocks returns the store of blocked users.
func (s *Store) Blocks() *Blocks { return &Blocks{s} }

// blockDoc is one block in the collection blocks; the reason is sealed.
type blockDoc struct {
	Key    string             `bson:"_id,omitempty"` // set on insert: the user's key; see placeID for the reason
	Tenant string             `bson:"tenant"`
	User   string             `bson:"user"`
	Reason []byte             `bson:"reason,omitempty"`
	Until  primitive.DateTime `bson:"until,omitempty"`
	At     primitive.DateTime `bson:"at"`
	By     string             `bson:"by"`
}

func blockedUser(u chatbox.UserKey) bson.D {
	return bson.D{{Key: "tenant", Value: u.Tenant}, {Key: "user", Value: u.ID}}
}

func blockIndexes() []mongo.IndexModel {
	return []mongo.IndexModel{{
		Keys:    bson.D{{Key: "tenant", Value: 1}, {Key: "user", Value: 1}},
		Options: options.Index().SetName(indexUser).SetUnique(true),
	}}
}

// PutBlock blocks the user, or replaces the block.
func (m *Blocks) PutBlock(ctx context.Context, b helpdesk.Block) error {
	const act = "keep a block"
	if err := m.s.ready(); err != nil {
		return err
	}
	box, err := record.SealText(m.s.keys, chatbox.SessionKey(b.User), record.PartBlock, b.Reason)
	if err != nil {
		return record.Failed(act, err)
	}
	d := blockDoc{Tenant: b.User.Tenant, User: b.User.ID, Reason: box, Until: knownTime(b.Until), At: primitive.DateTime(record.Millis(b.At)), By: b.By}
	return m.s.do(ctx, act, func(ctx context.Context) error {
		replaced, err := m.replace(ctx, b.User, d)
		if err != nil || replaced {
			return err
		}
		first := d
		first.Key = b.User.String()
		_, err = m.s.blocks.InsertOne(ctx, first)
		if mongo.IsDuplicateKeyError(err) { // another pod's insert won
			_, err = m.replace(ctx, b.User, d)
		}
		return err
	})
}

func (m *Blocks) replace(ctx context.Context, u chatbox.UserKey, d blockDoc) (bool, error) {
	done, err := m.s.blocks.ReplaceOne(ctx, blockedUser(u), d)
	return err == nil && done.MatchedCount > 0, err
}

// LiftBlock unblocks the user.
func (m *Blocks) LiftBlock(ctx context.Context, u chatbox.UserKey) error {
	return m.s.do(ctx, "lift a block", func(ctx context.Context) error {
		_, err := m.s.blocks.DeleteOne(ctx, blockedUser(u))
		return err
	})
}

// BlockOf returns the user's block, or chatbox.NotFound.
func (m *Blocks) BlockOf(ctx context.Context, u chatbox.UserKey) (helpdesk.Block, error) {
	const act = "read a block"
	var d blockDoc
	err := m.s.do(ctx, act, func(ctx context.Context) error {
		return m.s.blocks.FindOne(ctx, blockedUser(u)).Decode(&d)
	})
	if errors.Is(err, mongo.ErrNoDocuments) {
		return helpdesk.Block{}, chatbox.NewError(chatbox.NotFound, "no such block", nil)
	}
	if err != nil {
		return helpdesk.Block{}, err
	}
	return m.decode(d), nil
}

// PageBlocks lists a tenant's blocks in order of user id.
func (m *Blocks) PageBlocks(ctx context.Context, q helpdesk.BlockQuery) ([]helpdesk.Block, error) {
	filter := bson.D{
		{Key: "tenant", Value: q.Tenant}, {Key: "user", Value: bson.D{{Key: "$gt", Value: q.After}}}, lastingAt(q.Now),
	}
	return m.find(ctx, filter, options.Find().SetSort(bson.D{{Key: "user", Value: 1}}).SetLimit(int64(q.Limit)))
}

// AllBlocks returns the blocks of all tenants, without reasons, including expired
// ones. It reads the whole collection.
func (m *Blocks) AllBlocks(ctx context.Context) ([]helpdesk.Block, error) {
	return m.find(ctx, bson.D{}, options.Find().SetProjection(bson.D{{Key: "reason", Value: 0}}))
}

// ForgetOver deletes expired blocks. It reads the whole collection.
func (m *Blocks) ForgetOver(ctx context.Context, now time.Time) error {
	return m.s.do(ctx, "forget blocks", func(ctx context.Context) error {
		_, err := m.s.blocks.DeleteMany(ctx, bson.D{{Key: "until", Value: bson.D{{Key: "$lte", Value: primitive.DateTime(record.Millis(now))}}}})
		return err
	})
}

// ForgetBlocks deletes the person's own block, and removes the person's name from
// the blocks that they had made by the given time.
func (m *Blocks) ForgetBlocks(ctx context.Context, u chatbox.UserKey, by time.Time) error {
	made := bson.E{Key: "at", Value: bson.D{{Key: "$lte", Value: primitive.DateTime(record.Millis(by))}}}
	return m.s.do(ctx, "forget a person's blocks", func(ctx context.Context) error {
		if _, err := m.s.blocks.DeleteOne(ctx, append(blockedUser(u), made)); err != nil {
			return err
		}
		_, err := m.s.blocks.UpdateMany(ctx,
			bson.D{{Key: "tenant", Value: u.Tenant}, {Key: "by", Value: u.ID}, made},
			bson.D{{Key: "$set", Value: bson.D{{Key: "by", Value: ""}}}})
		return err
	})
}

// lastingAt matches blocks that have not expired.
func lastingAt(now time.Time) bson.E {
	return bson.E{Key: "$or", Value: bson.A{
		bson.D{{Key: "until", Value: bson.D{{Key: "$exists", Value: false}}}},
		bson.D{{Key: "until", Value: bson.D{{Key: "$gt", Value: primitive.DateTime(record.Millis(now))}}}},
	}}
}

func (m *Blocks) find(ctx context.Context, filter bson.D, opts *options.FindOptions) ([]helpdesk.Block, error) {
	const act = "list blocks"
	var docs []blockDoc
	err := m.s.find(ctx, act, &docs, m.s.blocks, filter, opts)
	if err != nil {
		return nil, err
	}
	out := make([]helpdesk.Block, len(docs))
	for i, d := range docs {
		out[i] = m.decode(d)
	}
	return out, nil
}

func (m *Blocks) decode(d blockDoc) helpdesk.Block {
	b := helpdesk.Block{
		User: chatbox.UserKey{Tenant: d.Tenant, ID: d.User}, Until: timeIfKnown(d.Until), At: record.Time(int64(d.At)), By: d.By,
	}
	o := &record.Opener{Cipher: m.s.keys, Session: chatbox.SessionKey(b.User)}
	b.Reason, b.Unreadable = o.Text(record.PartBlock, d.Reason), o.Unreadable
	return b
}
