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

// bookDoc is the only document of the collection keys. It holds a sealed check
// value for each key that the cluster seals with. One document allows a pod to
// add its key atomically with the check that it opens all the others.
type bookDoc struct {
	ID       string          `bson:"_id"`
	Revision int64           `bson:"revision"`
	Entries  []keybook.Entry `bson:"keys"`
}

const bookID = "keys"

// keySource gives the key check access to the store. It works before the store
// may be used otherwise.
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

// WriteBook replaces the stored book if that has the revision just below the
// given one.
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

// SampleBoxes returns sealed boxes from both ends of the _id indexes. The cost
// does not depend on the amount of data, and no index of our own is needed.
func (s keySource) SampleBoxes(ctx context.Context) ([]keybook.Sample, error) {
	const act = "read some records"
	var out []keybook.Sample
	for _, direction := range []int{1, -1} {
		opts := options.Find().SetSort(bson.D{{Key: "_id", Value: direction}}).SetLimit(sampled)
		var messages []messageDoc
		err := s.findBefore(ctx, act, &messages, s.messages, bson.D{}, opts)
		if err != nil {
			return nil, err
		}
		for _, d := range messages {
			k := chatbox.SessionKey{Tenant: d.Tenant, ID: d.Session}
			out = append(out, keybook.Sample{Box: d.Box, AAD: record.EventAAD(k, d.Key)})
		}
		var sessions []sessionDoc
		err = s.findBefore(ctx, act, &sessions, s.sessions, bson.D{}, opts)
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
