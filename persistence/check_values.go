package persistence

import (
	"context"
	"errors"

	"chatbox"
	"chatbox/persistence/internal/keybook"
	"chatbox/persistence/internal/record"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// bookDoc is the one document of the collection keys: a sealed check value for
// each key that the cluster seals with. It is one document so that a pod enters
// its key in the same act in which it relies on having opened all others.
type bookDoc struct {
	ID       string          `bson:"_id"`
	Revision int64           `bson:"revision"`
	Entries  []keybook.Entry `bson:"keys"`
}

const bookID = "keys"

// keySource is the store as far as its keys go. It works before the store may be
// used.
type keySource struct{ *Store }

// ReadBook reads the check values.
func (s keySource) ReadBook(ctx context.Context) (keybook.Book, error) {
	var d bookDoc
	err := s.trip(ctx, "read the keys' check values", func(ctx context.Context) error {
		return s.book.FindOne(ctx, bson.D{{Key: "_id", Value: bookID}}).Decode(&d)
	})
	if errors.Is(err, mongo.ErrNoDocuments) {
		return keybook.Book{}, nil
	}
	return keybook.Book{Revision: d.Revision, Entries: d.Entries}, err
}

// WriteBook replaces the revision below the book's.
func (s keySource) WriteBook(ctx context.Context, b keybook.Book) (won bool, err error) {
	d := bookDoc{ID: bookID, Revision: b.Revision, Entries: b.Entries}
	err = s.trip(ctx, "write the keys' check values", func(ctx context.Context) error {
		if b.Revision == 1 {
			_, err := s.book.InsertOne(ctx, d)
			won = err == nil
			if mongo.IsDuplicateKeyError(err) {
				return nil
			}
			return err
		}
		done, err := s.book.ReplaceOne(ctx, bson.D{{Key: "_id", Value: bookID}, {Key: "revision", Value: b.Revision - 1}}, d)
		won = err == nil && done.MatchedCount == 1
		return err
	})
	return won, err
}

const sampled = 16 // documents of each kind, from each end

// SampleBoxes takes what the indexes of the _ids have at both their ends: that
// costs the same however much there is, and needs no index of ours.
func (s keySource) SampleBoxes(ctx context.Context) ([]keybook.Sample, error) {
	const act = "read some records"
	var out []keybook.Sample
	for _, direction := range []int{1, -1} {
		opts := options.Find().SetSort(bson.D{{Key: "_id", Value: direction}}).SetLimit(sampled)
		var messages []messageDoc
		err := s.allBefore(ctx, act, &messages, func(ctx context.Context) (*mongo.Cursor, error) {
			return s.messages.Find(ctx, bson.D{}, opts)
		})
		if err != nil {
			return nil, err
		}
		for _, d := range messages {
			k := chatbox.SessionKey{Tenant: d.Tenant, ID: d.Session}
			out = append(out, keybook.Sample{Box: d.Box, AAD: record.EventAAD(k, d.Key)})
		}
		var sessions []sessionDoc
		err = s.allBefore(ctx, act, &sessions, func(ctx context.Context) (*mongo.Cursor, error) {
			return s.sessions.Find(ctx, bson.D{}, opts)
		})
		if err != nil {
			return nil, err
		}
		for _, d := range sessions {
			k := chatbox.SessionKey{Tenant: d.Tenant, ID: d.Session}
			out = append(out, keybook.Sample{Box: d.Name, AAD: record.TextAAD(k, record.PartName)},
				keybook.Sample{Box: d.OwnerName, AAD: record.TextAAD(k, record.PartOwner)})
		}
	}
	return out, nil
}
