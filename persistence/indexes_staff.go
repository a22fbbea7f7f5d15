package persistence

import (
	"context"
	"slices"

	"chatbox/helpdesk"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// Names of the indexes for staff's reads.
const (
	indexAudit   = "tenant_n"
	indexPersons = "tenant_pseudonym"
	indexMinute  = "tenant_minute"
	indexMinutes = "minute"
)

// auditIndexes returns the one index that all reads of the log use. Places have
// no gaps, so a filter only ever reads closed ranges of places.
func auditIndexes() []mongo.IndexModel {
	return []mongo.IndexModel{{
		Keys:    bson.D{{Key: "tenant", Value: 1}, {Key: "n", Value: 1}},
		Options: options.Index().SetName(indexAudit).SetUnique(true),
	}}
}

func peopleIndexes() []mongo.IndexModel {
	return []mongo.IndexModel{{
		Keys:    bson.D{{Key: "tenant", Value: 1}, {Key: "pseudonym", Value: 1}},
		Options: options.Index().SetName(indexPersons),
	}}
}

// orderIndex returns the name of an order's index. The index by messages once had
// another field. Since the fields of an index cannot change under its name, it
// has a new name.
func orderIndex(by helpdesk.SessionSort) string {
	if by == helpdesk.SortMessages {
		return "tenant_messages"
	}
	return "tenant_" + string(by)
}

// staffIndexes returns the indexes for staff's list of a tenant's sessions: one
// for each order, usable in both directions, and two that cover only the few
// sessions with a flag.
func staffIndexes() []mongo.IndexModel {
	var all []mongo.IndexModel
	for _, by := range helpdesk.SessionSorts() {
		if by == helpdesk.SortWaiting {
			all = append(all, waitingIndex())
			continue
		}
		all = append(all, mongo.IndexModel{
			Keys:    bson.D{{Key: "tenant", Value: 1}, {Key: sortField(by), Value: 1}, {Key: "session", Value: 1}},
			Options: options.Index().SetName(orderIndex(by)),
		})
	}
	for _, flag := range []string{"help_requested", "admin_assisted"} {
		all = append(all, mongo.IndexModel{
			Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "last_activity", Value: 1}, {Key: "session", Value: 1}, {Key: "state." + flag, Value: 1}},
			Options: options.Index().SetName("tenant_" + flag).
				SetPartialFilterExpression(bson.D{{Key: "state." + flag, Value: true}}),
		})
	}
	return append(all, labelIndexes()...)
}

func concurrencyIndexes() []mongo.IndexModel {
	return []mongo.IndexModel{
		{Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "minute", Value: 1}}, Options: options.Index().SetName(indexMinute)},
		{Keys: bson.D{{Key: "minute", Value: 1}}, Options: options.Index().SetName(indexMinutes)},
	}
}

// fasterIndexes returns the indexes that no guarantee needs: they speed up staff's
// reads. Audit entries and people are unique by _id already.
func (s *Store) fasterIndexes() []indexing {
	all := []indexing{
		{s.audit, auditIndexes()},
		{s.people, peopleIndexes()},
		{s.concurrency, concurrencyIndexes()},
		{s.sessions, staffIndexes()},
		{s.messages, wordIndexes(s.cfg.NoWords)},
		{s.sessions, nameIndexes(s.cfg.NoWords)},
	}
	return slices.DeleteFunc(all, func(of indexing) bool { return len(of.made) == 0 })
}

func (s *Store) makeStaffIndexes(ctx context.Context) error {
	for _, of := range s.fasterIndexes() {
		err := s.do(ctx, "indexes", func(ctx context.Context) error {
			_, err := of.in.Indexes().CreateMany(ctx, of.made)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
