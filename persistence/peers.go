package persistence

import (
	"context"
	"time"

	"chatbox"
	"chatbox/persistence/internal/record"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// Peers stores what the processes that share the history tell one another.
type Peers struct{ s *Store }

// Peers returns the reports of processes.
func (s *Store) Peers() *Peers { return &Peers{s} }

// peerDoc is the report of one process, in the collection pods. Only that process
// writes it. The times are the server's.
type peerDoc struct {
	Run     string             `bson:"_id"`
	Pod     string             `bson:"pod"`
	Redis   string             `bson:"redis"`
	Away    bool               `bson:"away"`
	Beat    int64              `bson:"beat"`
	Settled bool               `bson:"settled"`
	Since   primitive.DateTime `bson:"since"`
	At      primitive.DateTime `bson:"at"`
}

// Meet stores the process's report in place of its earlier one, and returns the
// reports of all processes with it. It removes reports that are an hour older.
func (m *Peers) Meet(ctx context.Context, p chatbox.Peer) ([]chatbox.Peer, error) {
	if err := m.s.ready(); err != nil {
		return nil, err
	}
	set := bson.D{
		{Key: "pod", Value: string(p.Pod)},
		{Key: "redis", Value: p.Redis},
		{Key: "away", Value: p.Away},
		{Key: "beat", Value: p.Beat},
		{Key: "settled", Value: p.Settled},
	}
	now := bson.D{{Key: "at", Value: true}}
	if p.Since.IsZero() {
		now = append(now, bson.E{Key: "since", Value: true})
	} else {
		set = append(set, bson.E{Key: "since", Value: primitive.DateTime(record.Millis(p.Since))})
	}
	err := m.s.do(ctx, "report to other pods", func(ctx context.Context) error {
		_, err := m.s.pods.UpdateByID(ctx, p.Run, bson.D{{Key: "$set", Value: set}, {Key: "$currentDate", Value: now}}, options.Update().SetUpsert(true))
		return err
	})
	if err != nil {
		return nil, err
	}
	var docs []peerDoc
	err = m.s.find(ctx, "read reports of pods", &docs, m.s.pods, bson.D{}, options.Find())
	if err != nil {
		return nil, err
	}
	oldest, stale := primitive.DateTime(0), false
	for _, d := range docs {
		if d.Run == p.Run {
			oldest = d.At - primitive.DateTime(record.PeerKept.Milliseconds())
		}
	}
	peers := make([]chatbox.Peer, len(docs))
	for i, d := range docs {
		stale = stale || d.At < oldest
		peers[i] = chatbox.Peer{
			Run: d.Run, Pod: chatbox.PodID(d.Pod), Redis: d.Redis, Away: d.Away, Beat: d.Beat, Settled: d.Settled, Since: record.Time(int64(d.Since)),
		}
	}
	if stale {
		err = m.forget(ctx, oldest.Time())
	}
	return peers, err
}

// forget removes reports that were made before the time.
func (m *Peers) forget(ctx context.Context, before time.Time) error {
	return m.s.do(ctx, "forget pods", func(ctx context.Context) error {
		_, err := m.s.pods.DeleteMany(ctx, bson.D{{Key: "at", Value: bson.D{{Key: "$lt", Value: primitive.NewDateTimeFromTime(before)}}}})
		return err
	})
}

// Leave removes the report of a process that ends.
func (m *Peers) Leave(ctx context.Context, run string) error {
	return m.s.do(ctx, "leave other pods", func(ctx context.Context) error {
		_, err := m.s.pods.DeleteOne(ctx, bson.D{{Key: "_id", Value: run}})
		return err
	})
}
