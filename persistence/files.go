package persistence

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"chatbox"
	"chatbox/persistence/internal/record"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// Files stores the records of uploaded files. Each change is an update of one
// document, so of a use and a release that race one is first.
type Files struct{ s *Store }

// Files returns the store of the records of files.
func (s *Store) Files() *Files { return &Files{s} }

// fileDoc is one file in the collection files.
type fileDoc struct {
	Key      string              `bson:"_id"` // the key's text
	Tenant   string              `bson:"tenant"`
	ID       string              `bson:"id"`
	Owner    string              `bson:"owner"`
	Blob     string              `bson:"blob"`
	Box      []byte              `bson:"box"`
	Created  primitive.DateTime  `bson:"created"`
	Used     *primitive.DateTime `bson:"used,omitempty"`
	Sessions []string            `bson:"sessions"`
	Idle     bool                `bson:"idle"` // no session has used it, and it is not gone
	Gone     bool                `bson:"gone"`
}

// Names of the indexes of files.
const (
	indexFileOwner   = "tenant_owner_created"
	indexFileSession = "tenant_sessions"
	indexFileBlob    = "blob"
	indexFileIdle    = "idle_created"
	indexFileGone    = "gone"
)

func fileIndexes() []mongo.IndexModel {
	where := func(flag string) bson.D { return bson.D{{Key: flag, Value: true}} }
	return []mongo.IndexModel{
		{
			Keys:    bson.D{{Key: "tenant", Value: 1}, {Key: "owner", Value: 1}, {Key: "created", Value: 1}},
			Options: options.Index().SetName(indexFileOwner),
		},
		{Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "sessions", Value: 1}}, Options: options.Index().SetName(indexFileSession)},
		{Keys: bson.D{{Key: "blob", Value: 1}}, Options: options.Index().SetName(indexFileBlob)},
		{Keys: bson.D{{Key: "created", Value: 1}}, Options: options.Index().SetName(indexFileIdle).SetPartialFilterExpression(where("idle"))},
		{Keys: bson.D{{Key: "gone", Value: 1}}, Options: options.Index().SetName(indexFileGone).SetPartialFilterExpression(where("gone"))},
	}
}

// Create stores the record of a new file. If there is one with its key, Create
// returns that one and false.
func (m *Files) Create(ctx context.Context, f chatbox.File) (chatbox.File, bool, error) {
	const act = "create a file"
	if err := m.s.ready(); err != nil {
		return chatbox.File{}, false, err
	}
	box, err := record.SealFile(m.s.keys, f)
	if err != nil {
		return chatbox.File{}, false, record.Failed(act, err)
	}
	d := fileDoc{
		Key: f.Key.String(), Tenant: f.Key.Tenant, ID: f.Key.ID, Owner: f.Owner, Blob: f.Blob, Box: box,
		Created: primitive.DateTime(record.Millis(f.CreatedAt)), Sessions: []string{}, Idle: true,
	}
	taken := false
	err = m.s.do(ctx, act, func(ctx context.Context) error {
		_, err := m.s.files.InsertOne(ctx, d)
		if taken = mongo.IsDuplicateKeyError(err); taken {
			return nil
		}
		return err
	})
	if err != nil || !taken {
		return f, !taken, err
	}
	first, err := m.Get(ctx, f.Key)
	return first, false, err
}

// Get returns the record, also of a file that is gone, or chatbox.NotFound.
func (m *Files) Get(ctx context.Context, k chatbox.FileKey) (chatbox.File, error) {
	var d fileDoc
	err := m.s.do(ctx, "read a file's record", func(ctx context.Context) error {
		return m.s.files.FindOne(ctx, bson.D{{Key: "_id", Value: k.String()}}).Decode(&d)
	})
	if errors.Is(err, mongo.ErrNoDocuments) {
		return chatbox.File{}, chatbox.NoSuchFile()
	}
	if err != nil {
		return chatbox.File{}, err
	}
	return m.open(d), nil
}

// Use records that the session uses the file. A repeat changes nothing. It
// returns chatbox.NotFound if there is no such file or it is gone, and
// chatbox.Full if too many sessions use it.
func (m *Files) Use(ctx context.Context, k chatbox.FileKey, sessionID string, at time.Time) (chatbox.File, error) {
	last := "sessions." + strconv.Itoa(chatbox.MaxFileSessions-1)
	filter := bson.D{{Key: "_id", Value: k.String()}, {Key: "gone", Value: false}, {Key: "$or", Value: bson.A{
		bson.D{{Key: "sessions", Value: sessionID}}, bson.D{{Key: last, Value: bson.D{{Key: "$exists", Value: false}}}},
	}}}
	var d fileDoc
	err := m.s.do(ctx, "use a file", func(ctx context.Context) error {
		return m.s.files.FindOneAndUpdate(ctx, filter, bson.D{
			{Key: "$addToSet", Value: bson.D{{Key: "sessions", Value: sessionID}}},
			{Key: "$min", Value: bson.D{{Key: "used", Value: primitive.DateTime(record.Millis(at))}}},
			{Key: "$set", Value: bson.D{{Key: "idle", Value: false}}},
		}, options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&d)
	})
	if errors.Is(err, mongo.ErrNoDocuments) {
		f, gerr := m.Get(ctx, k)
		switch {
		case gerr != nil:
			return chatbox.File{}, gerr
		case f.Gone:
			return chatbox.File{}, chatbox.NoSuchFile()
		default:
			return chatbox.File{}, record.InTooManySessions()
		}
	}
	if err != nil {
		return chatbox.File{}, err
	}
	return m.open(d), nil
}

// Release records that the session does not use the file any more. The file is
// gone if that was its last session. A repeat changes nothing.
func (m *Files) Release(ctx context.Context, k chatbox.FileKey, sessionID string) (gone bool, err error) {
	id := bson.E{Key: "_id", Value: k.String()}
	for {
		changed, err := m.update(ctx, "release a file", bson.D{id, {Key: "sessions", Value: bson.A{sessionID}}}, // exactly this one
			bson.D{{Key: "$set", Value: bson.D{{Key: "sessions", Value: bson.A{}}, {Key: "gone", Value: true}, {Key: "idle", Value: false}}}})
		if err != nil || changed {
			return changed, err
		}
		changed, err = m.update(ctx, "release a file",
			bson.D{id, {Key: "sessions", Value: sessionID}, {Key: "sessions.1", Value: bson.D{{Key: "$exists", Value: true}}}},
			bson.D{{Key: "$pull", Value: bson.D{{Key: "sessions", Value: sessionID}}}})
		if err != nil || changed {
			return false, err
		}
		f, err := m.Get(ctx, k)
		if errors.Is(err, chatbox.NotFound) {
			return false, nil
		}
		if err != nil || !f.UsedIn(sessionID) {
			return false, err
		}
		// Between the two updates other sessions came or went.
	}
}

// Abandon makes the file gone if no session uses it.
func (m *Files) Abandon(ctx context.Context, k chatbox.FileKey) (gone bool, err error) {
	return m.update(ctx, "abandon a file", bson.D{{Key: "_id", Value: k.String()}, {Key: "idle", Value: true}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "gone", Value: true}, {Key: "idle", Value: false}}}})
}

// Disown removes the uploader's name from the record.
func (m *Files) Disown(ctx context.Context, k chatbox.FileKey) error {
	_, err := m.update(ctx, "disown a file", bson.D{{Key: "_id", Value: k.String()}}, bson.D{{Key: "$set", Value: bson.D{{Key: "owner", Value: ""}}}})
	return err
}

// Remove deletes the record of a file that is gone.
func (m *Files) Remove(ctx context.Context, k chatbox.FileKey) error {
	return m.s.do(ctx, "remove a file's record", func(ctx context.Context) error {
		_, err := m.s.files.DeleteOne(ctx, bson.D{{Key: "_id", Value: k.String()}, {Key: "gone", Value: true}})
		return err
	})
}

func (m *Files) update(ctx context.Context, act string, filter, change bson.D) (changed bool, err error) {
	err = m.s.do(ctx, act, func(ctx context.Context) error {
		done, err := m.s.files.UpdateOne(ctx, filter, change)
		changed = err == nil && done.MatchedCount > 0
		return err
	})
	return changed, err
}

// OfSession returns up to limit files that the session uses.
func (m *Files) OfSession(ctx context.Context, s chatbox.SessionKey, limit int) ([]chatbox.File, error) {
	return m.list(ctx, bson.D{{Key: "tenant", Value: s.Tenant}, {Key: "sessions", Value: s.ID}}, "_id", limit)
}

// OfUser returns up to limit files that the user uploaded until the given time
// and that are not gone, oldest first.
func (m *Files) OfUser(ctx context.Context, u chatbox.UserKey, by time.Time, limit int) ([]chatbox.File, error) {
	until := bson.D{{Key: "$lte", Value: primitive.DateTime(record.Millis(by))}}
	return m.list(ctx, bson.D{
		{Key: "tenant", Value: u.Tenant}, {Key: "owner", Value: u.ID}, {Key: "created", Value: until}, {Key: "gone", Value: false},
	}, "created", limit)
}

// Unused returns up to limit files that were uploaded before the given time and
// that no session has ever used.
func (m *Files) Unused(ctx context.Context, before time.Time, limit int) ([]chatbox.File, error) {
	until := bson.D{{Key: "$lt", Value: primitive.DateTime(record.Millis(before))}}
	return m.list(ctx, bson.D{{Key: "idle", Value: true}, {Key: "created", Value: until}}, "created", limit)
}

// Gone returns up to limit files that are gone.
func (m *Files) Gone(ctx context.Context, limit int) ([]chatbox.File, error) {
	return m.list(ctx, bson.D{{Key: "gone", Value: true}}, "gone", limit)
}

func (m *Files) list(ctx context.Context, filter bson.D, by string, limit int) ([]chatbox.File, error) {
	var docs []fileDoc
	err := m.s.find(ctx, "list files", &docs, m.s.files, filter, options.Find().SetSort(bson.D{{Key: by, Value: 1}}).SetLimit(int64(limit)))
	if err != nil {
		return nil, err
	}
	files := make([]chatbox.File, len(docs))
	for i, d := range docs {
		files[i] = m.open(d)
	}
	return files, nil
}

// WithBlobs returns those of the names that are the blob of a record.
func (m *Files) WithBlobs(ctx context.Context, names []string) ([]string, error) {
	var docs []fileDoc
	err := m.s.find(ctx, "look for blobs", &docs, m.s.files, bson.D{{Key: "blob", Value: bson.D{{Key: "$in", Value: names}}}},
		options.Find().SetProjection(bson.D{{Key: "_id", Value: 0}, {Key: "blob", Value: 1}}).SetLimit(int64(len(names))))
	found := make([]string, len(docs))
	for i, d := range docs {
		found[i] = d.Blob
	}
	return found, err
}

func (m *Files) open(d fileDoc) chatbox.File {
	f := chatbox.File{
		Key: chatbox.FileKey{Tenant: d.Tenant, ID: d.ID}, Owner: d.Owner, Blob: d.Blob, Gone: d.Gone,
		CreatedAt: record.Time(int64(d.Created)), Sessions: slices.Sorted(slices.Values(d.Sessions)),
	}
	if d.Used != nil {
		f.UsedAt = record.Time(int64(*d.Used))
	}
	record.OpenFile(m.s.keys, &f, d.Box)
	return f
}
