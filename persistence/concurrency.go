package persistence

import (
	"context"
	"time"

	"chatbox/helpdesk"
	"chatbox/persistence/internal/record"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// Concurrency stores how many sessions were open on each pod in each minute.
type Concurrency struct{ s *Store }

// Concurrency returns the counts of open sessions.
func (s *Store) Concurrency() *Concurrency { return &Concurrency{s} }

// sampleDoc is the count of one tenant for one minute on one run of a pod, in the
// collection crowds. Only that pod writes it, so writing it again is safe.
type sampleDoc struct {
	ID      string             `bson:"_id"`
	Tenant  string             `bson:"tenant"`
	Minute  primitive.DateTime `bson:"minute"`
	Pod     string             `bson:"pod"`
	Since   primitive.DateTime `bson:"since,omitempty"` // absent: since before the minute
	Seconds float64            `bson:"seconds"`
	Peak    int64              `bson:"peak"`
}

// Tally stores the pod's counts of a minute so far, for its tenants.
func (c *Concurrency) Tally(ctx context.Context, samples []helpdesk.ConcurrencySample) error {
	if len(samples) == 0 {
		return nil
	}
	if err := c.s.ready(); err != nil {
		return err
	}
	models := make([]mongo.WriteModel, len(samples))
	for i, w := range samples {
		d := sampleDoc{
			ID:     record.SampleID(w),
			Tenant: w.Tenant, Minute: primitive.DateTime(record.Millis(w.Minute)), Pod: string(w.Pod), Seconds: w.Seconds, Peak: w.Peak,
		}
		if !w.Since.IsZero() {
			d.Since = primitive.DateTime(record.Millis(w.Since))
		}
		models[i] = mongo.NewReplaceOneModel().SetFilter(bson.D{{Key: "_id", Value: d.ID}}).SetReplacement(d).SetUpsert(true)
	}
	return c.s.do(ctx, "tally", func(ctx context.Context) error {
		_, err := c.s.concurrency.BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false))
		return err
	})
}

// Total sums the pods' counts for each minute with from ≤ minute < to and
// then aggregates the minutes.
func (c *Concurrency) Total(ctx context.Context, tenant string, from, to time.Time) (helpdesk.Concurrency, error) {
	sum := func(of string) bson.D { return bson.D{{Key: "$sum", Value: of}} }
	earliest := bson.D{{Key: "$min", Value: "$since"}}
	pipeline := mongo.Pipeline{
		{{Key: "$match", Value: bson.D{{Key: "tenant", Value: tenant}, {Key: "minute", Value: bson.D{
			{Key: "$gte", Value: primitive.DateTime(record.Millis(from))}, {Key: "$lt", Value: primitive.DateTime(record.Millis(to))},
		}}}}},
		// A pod that restarted within the minute has two documents; its sessions
		// must not be counted twice.
		{{Key: "$group", Value: bson.D{
			{Key: "_id", Value: bson.D{{Key: "m", Value: "$minute"}, {Key: "p", Value: "$pod"}}},
			{Key: "since", Value: bson.D{{Key: "$min", Value: bson.D{{Key: "$ifNull", Value: bson.A{"$since", "$minute"}}}}}},
			{Key: "seconds", Value: sum("$seconds")},
			{Key: "peak", Value: bson.D{{Key: "$max", Value: "$peak"}}},
		}}},
		{{Key: "$group", Value: bson.D{
			{Key: "_id", Value: "$_id.m"}, {Key: "since", Value: earliest}, {Key: "seconds", Value: sum("$seconds")}, {Key: "peak", Value: sum("$peak")},
		}}},
		{{Key: "$group", Value: bson.D{
			{Key: "_id", Value: nil},
			{Key: "since", Value: earliest},
			{Key: "seconds", Value: sum("$seconds")},
			{Key: "peak", Value: bson.D{{Key: "$max", Value: "$peak"}}},
		}}},
	}
	var rows []struct {
		Since   primitive.DateTime
		Seconds float64
		Peak    int64
	}
	err := c.s.aggregate(ctx, "sum up concurrency", &rows, c.s.concurrency, pipeline)
	if err != nil || len(rows) == 0 {
		return helpdesk.Concurrency{}, err
	}
	return helpdesk.Concurrency{Since: record.Time(int64(rows[0].Since)), Seconds: rows[0].Seconds, Peak: rows[0].Peak}, nil
}

// Forget deletes the counts of minutes before the given time, for all tenants.
func (c *Concurrency) Forget(ctx context.Context, before time.Time) error {
	return c.s.do(ctx, "forget concurrency samples", func(ctx context.Context) error {
		_, err := c.s.concurrency.DeleteMany(ctx, bson.D{{Key: "minute", Value: bson.D{{Key: "$lt", Value: primitive.DateTime(record.Millis(before))}}}})
		return err
	})
}
