package persistence

import (
	"context"
	"errors"

	"chatbox"
	"chatbox/persistence/internal/chain"
	"chatbox/persistence/internal/record"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// personDoc maps a pseudonym of the audit log to a person, in the collection
// people. Deleting it leaves the log intact and makes the person's entries
// anonymous.
type personDoc struct {
	ID        string `bson:"_id"` // the key's text
	Tenant    string `bson:"tenant"`
	User      string `bson:"user"`
	Pseudonym string `bson:"pseudonym"`
	Key       []byte `bson:"key"`
}

func (d personDoc) person() chain.Person {
	return chain.Person{User: chatbox.UserKey{Tenant: d.Tenant, ID: d.User}, Pseudonym: d.Pseudonym, Key: d.Key}
}

// peopleOf returns the people that match the filter.
func (s *Store) peopleOf(ctx context.Context, filter bson.D) ([]personDoc, error) {
	var docs []personDoc
	err := s.find(ctx, "read people", &docs, s.people, filter, options.Find())
	return docs, err
}

// pseudonyms returns the users' pseudonyms and creates the missing ones. If two
// pods create one for the same person, both use the one inserted first. Nothing
// is cached between calls, because the pseudonym of an erased person must not be
// used again.
func (a *Audit) pseudonyms(ctx context.Context, tenant string, users []string) (map[string]string, error) {
	ids := make([]string, len(users))
	for i, u := range users {
		ids[i] = chatbox.UserKey{Tenant: tenant, ID: u}.String()
	}
	names := map[string]string{}
	for range createTries {
		docs, err := a.s.peopleOf(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}})
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			names[d.User] = d.Pseudonym
		}
		if len(docs) == len(users) {
			return names, nil
		}
		for _, u := range users {
			if names[u] != "" {
				continue
			}
			if err := a.addPerson(ctx, chatbox.UserKey{Tenant: tenant, ID: u}); err != nil {
				return nil, err
			}
		}
	}
	return nil, record.Failed("audit", errors.New("a person's key is erased each time it is created"))
}

func (a *Audit) addPerson(ctx context.Context, u chatbox.UserKey) error {
	p, err := chain.NewPerson(a.s.keys, u)
	if err != nil {
		return record.Failed("audit", err)
	}
	err = a.s.do(ctx, "add a person", func(ctx context.Context) error {
		_, err := a.s.people.InsertOne(ctx, personDoc{ID: u.String(), Tenant: u.Tenant, User: u.ID, Pseudonym: p.Pseudonym, Key: p.Key})
		return err
	})
	if mongo.IsDuplicateKeyError(err) {
		return nil // another pod inserted it; it is read next
	}
	return err
}

// pseudonymOf returns the user's pseudonym. An id that no user of the tenant has
// is taken to be a pseudonym itself.
func (a *Audit) pseudonymOf(ctx context.Context, u chatbox.UserKey) (string, error) {
	docs, err := a.s.peopleOf(ctx, bson.D{{Key: "_id", Value: u.String()}})
	if err != nil || len(docs) == 0 {
		return u.ID, err
	}
	return docs[0].Pseudonym, nil
}

// known returns the people behind the entries' pseudonyms, as far as their keys
// still exist.
func (a *Audit) known(ctx context.Context, tenant string, entries []chain.Entry) (map[string]string, error) {
	names := chain.Pseudonyms(entries)
	if len(names) == 0 {
		return nil, nil
	}
	docs, err := a.s.peopleOf(ctx, bson.D{{Key: "tenant", Value: tenant}, {Key: "pseudonym", Value: bson.D{{Key: "$in", Value: names}}}})
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, d := range docs {
		if d.person().Proves(a.s.keys) {
			out[d.Pseudonym] = d.User
		}
	}
	return out, nil
}

// Forget deletes the person's key. After that nothing links the person to their
// entries. It is idempotent.
func (a *Audit) Forget(ctx context.Context, u chatbox.UserKey) error {
	return a.s.do(ctx, "forget a person", func(ctx context.Context) error {
		_, err := a.s.people.DeleteOne(ctx, bson.D{{Key: "_id", Value: u.String()}})
		return err
	})
}
