package persistence

import (
	"context"
	"errors"
	"strconv"
	"time"

	"chatbox/persistence/internal/record"
	"chatbox/persistence/internal/reseal"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// ResealOptions are the bounds of a rotation; see Store.Reseal.
type ResealOptions = reseal.Options

// ResealReport is the result of a rotation or of its status.
type ResealReport = reseal.Report

// ResealCount is the result for one kind of document.
type ResealCount = reseal.Count

// DefaultResealRate is how many documents a rotation seals again per second at
// most, if nothing else is asked for.
const DefaultResealRate = reseal.DefaultRate

// ResealUnknown stands in the counts of a status for an older key whose id is not
// known.
const ResealUnknown = reseal.Unknown

// Reseal seals everything again, under the first key, that an older key of the
// ring has sealed, while pods read and write. It ends when everything was read,
// when ctx ends or at the first failure, and the next call continues there.
// Several calls at once are safe, also of several processes. Every pod must seal
// with the first key already.
func (s *Store) Reseal(ctx context.Context, opts ResealOptions) (ResealReport, error) {
	if err := s.may("seal again"); err != nil {
		return ResealReport{}, err
	}
	return reseal.Run(ctx, s.keys, resealSource{s}, opts)
}

// ResealStatus counts what older keys of the ring have sealed. It reads
// everything and writes nothing.
func (s *Store) ResealStatus(ctx context.Context) (ResealReport, error) {
	if err := s.may("look for older keys"); err != nil {
		return ResealReport{}, err
	}
	return reseal.Status(ctx, s.keys, resealSource{s})
}

// resealSource gives the rotation access to the collections.
type resealSource struct{ *Store }

// progressDoc is the progress of a rotation, in the collection of the check
// values.
type progressDoc struct {
	ID   string `bson:"_id"`
	Text string `bson:"text"`
}

func progressOf(key string) bson.D {
	return bson.D{{Key: "_id", Value: "rotation:" + key}}
}

// Progress reads what SaveProgress wrote.
func (s resealSource) Progress(ctx context.Context, key string) (string, error) {
	var d progressDoc
	err := s.do(ctx, "read a rotation's progress", func(ctx context.Context) error {
		return s.book.FindOne(ctx, progressOf(key)).Decode(&d)
	})
	if errors.Is(err, mongo.ErrNoDocuments) {
		err = nil
	}
	return d.Text, err
}

// SaveProgress stores the text; an empty text removes it.
func (s resealSource) SaveProgress(ctx context.Context, key, text string) error {
	return s.do(ctx, "save a rotation's progress", func(ctx context.Context) error {
		if text == "" {
			_, err := s.book.DeleteOne(ctx, progressOf(key))
			return err
		}
		_, err := s.book.UpdateOne(ctx, progressOf(key),
			bson.D{{Key: "$set", Value: bson.D{{Key: "text", Value: text}}}}, options.Update().SetUpsert(true))
		return err
	})
}

// Since returns when a pod entered the key's check value.
func (s resealSource) Since(ctx context.Context, key string) (time.Time, error) {
	b, err := keySource(s).ReadBook(ctx)
	return b.Since(key), err
}

// Kinds returns the collections with sealed fields.
func (s resealSource) Kinds() []reseal.Kind {
	var out []reseal.Kind
	for _, k := range s.sealed() {
		out = append(out, reseal.Kind{Name: k.name, Stays: k.stays})
	}
	return out
}

// Estimate returns the number of documents by the collection's metadata.
func (s resealSource) Estimate(ctx context.Context, kind string) (n int64, err error) {
	err = s.do(ctx, "estimate a collection", func(ctx context.Context) (err error) {
		n, err = s.kind(kind).in.EstimatedDocumentCount(ctx)
		return err
	})
	return n, err
}

// Page reads documents in the order of their _id.
func (s resealSource) Page(ctx context.Context, kind, after string, limit int) ([]reseal.Doc, error) {
	k := s.kind(kind)
	var raws []bson.Raw
	filter := append(bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: after}}}}, k.only...)
	err := s.find(ctx, "read what is sealed", &raws, k.in, filter,
		options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(limit)).
			SetProjection(bson.D{{Key: "words", Value: 0}, {Key: "name_words", Value: 0}}))
	if err != nil {
		return nil, err
	}
	out := make([]reseal.Doc, len(raws))
	for i, raw := range raws {
		id, _ := raw.Lookup("_id").StringValueOK()
		out[i], err = k.decode(raw)
		if err != nil {
			out[i] = reseal.Doc{Broken: true}
		}
		out[i].ID = id
	}
	return out, nil
}

// Swap replaces boxes by one unordered command. The boxes that were read are in
// each update's filter; a box has a random nonce, so it is never written twice.
func (s resealSource) Swap(ctx context.Context, kind string, docs []reseal.Doc) error {
	k := s.kind(kind)
	models := make([]mongo.WriteModel, len(docs))
	for i, d := range docs {
		filter, set := bson.D{{Key: "_id", Value: d.ID}}, bson.D{}
		for _, p := range d.Parts {
			if p.New != nil {
				filter = append(filter, bson.E{Key: p.Name, Value: p.Box})
				set = append(set, bson.E{Key: p.Name, Value: p.New})
			}
		}
		more, err := k.derive(d)
		if err != nil {
			return record.Failed("seal again", err)
		}
		models[i] = mongo.NewUpdateOneModel().SetFilter(filter).SetUpdate(bson.D{{Key: "$set", Value: append(set, more...)}})
	}
	return s.do(ctx, "seal again", func(ctx context.Context) error {
		_, err := k.in.BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false))
		return err
	})
}

func (s resealSource) kind(name string) sealedKind {
	for _, k := range s.sealed() {
		if k.name == name {
			return k
		}
	}
	return sealedKind{} // names are those of Kinds
}

// tagPath is the path of a field of a session's tag.
func tagPath(i int, field string) string { return "tags." + strconv.Itoa(i) + "." + field }
