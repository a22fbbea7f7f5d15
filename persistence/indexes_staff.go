package persistence

import (
	"context"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// Names of the indexes of what staff reads.
const (
	indexAudit   = "tenant_n"
	indexPersons = "tenant_pseudonym"
)

// auditIndexes has the one index that every read of the log goes by: places are
// dense, so a filter only ever looks at closed ranges of them.
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

func (s *Store) makeStaffIndexes(ctx context.Context) error {
	if _, err := s.audit.Indexes().CreateMany(ctx, auditIndexes()); err != nil {
		return err
	}
	_, err := s.people.Indexes().CreateMany(ctx, peopleIndexes())
	return err
}
