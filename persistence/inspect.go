package persistence

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"chatbox"
	"chatbox/persistence/internal/keybook"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
)

// Inspection is the state of a history as Inspect finds it.
type Inspection struct {
	Version  string   // of the server; empty: it does not say
	Set      string   // the replica set; empty: none
	Lone     bool     // a single MongoDB server, without copies of the data
	Findings []string // warnings, as Survey returns them

	Foreign string // whose documents are in the database; empty: only ours
	New     bool   // no pod has prepared the database yet: no collection has an index of ours

	Keys    error // why the pod's keys do not fit; *chatbox.UnfitError if they are wrong
	NewKeys bool  // the sealing key has no check value yet; the next pod enters it

	Missing []string // indexes that do not exist, as collection.index
	Odd     []string // indexes with a name of ours and other fields
}

// Inspect examines the server and the stored data like Survey and EnsureIndexes,
// and changes nothing. It returns an error if the server cannot be asked.
func (s *Store) Inspect(ctx context.Context) (found Inspection, err error) {
	about, err := s.server(ctx)
	if err != nil {
		return found, err
	}
	found.Version, found.Set, found.Findings = about.Version, about.Set, about.findings()
	found.Lone = about.Set == "" && about.Msg != sharded && about.FerretDB == nil
	if other := s.cfg.otherDatabase(); other != "" {
		found.Findings = append(found.Findings, unusedDatabase(other, s.cfg.Database))
	}
	if found.Foreign, err = s.foreign(ctx); err != nil {
		return found, err
	}
	if err = s.inspectKeys(ctx, &found); err != nil {
		return found, err
	}
	return found, s.inspectIndexes(ctx, &found)
}

// inspectKeys compares the pod's keys with the check values. Documents of another
// program prove nothing about keys.
func (s *Store) inspectKeys(ctx context.Context, found *Inspection) error {
	if found.Foreign != "" {
		b, err := keySource{s}.ReadBook(ctx)
		if err != nil {
			return err
		}
		if b.Revision == 0 {
			found.Keys = errors.New("the database has documents of another program and no check values")
			return nil
		}
	}
	fresh, err := keybook.Verify(ctx, s.keys, keySource{s})
	if _, wrong := errors.AsType[*chatbox.UnfitError](err); wrong {
		found.Keys = err
		return nil
	}
	found.NewKeys = fresh
	return err
}

func (s *Store) inspectIndexes(ctx context.Context, found *Inspection) error {
	existing := 0
	for _, of := range append(s.neededIndexes(), s.fasterIndexes()...) {
		have, err := s.indexesOf(ctx, of.in)
		if err != nil {
			return err
		}
		for _, want := range of.made {
			name := *want.Options.Name
			switch fields, exists := have[name]; {
			case !exists:
				found.Missing = append(found.Missing, of.in.Name()+"."+name)
			case !slices.Equal(fields, fieldsOf(want)):
				found.Odd = append(found.Odd, of.in.Name()+"."+name)
			default:
				existing++
			}
		}
	}
	found.New = existing == 0
	return nil
}

// indexesOf returns the fields of a collection's indexes by name.
func (s *Store) indexesOf(ctx context.Context, in *mongo.Collection) (map[string][]string, error) {
	have := map[string][]string{}
	err := s.trip(ctx, "list the indexes", func(ctx context.Context) error {
		list, err := in.Indexes().ListSpecifications(ctx)
		if e, ok := errors.AsType[mongo.CommandError](err); ok && e.Code == codeNoNamespace {
			return nil
		}
		for _, i := range list {
			elements, err := i.KeysDocument.Elements()
			if err != nil {
				return err
			}
			fields := make([]string, 0, len(elements))
			for _, e := range elements {
				fields = append(fields, e.Key())
			}
			have[i.Name] = fields
		}
		return err
	})
	return have, err
}

// fieldsOf returns the fields of an index of ours.
func fieldsOf(of mongo.IndexModel) []string {
	var fields []string
	if keys, ok := of.Keys.(bson.D); ok {
		for _, k := range keys {
			fields = append(fields, k.Key)
		}
	}
	return fields
}

const (
	codeNoNamespace = 26         // the collection does not exist
	sharded         = "isdbgrid" // how a router of a sharded cluster greets

	// tried begins the names of the collections of TryWrite. No pod uses them.
	tried     = "doctor_"
	cleanWait = 2 * time.Second
)

// ErrNotRemoved reports that the collection of TryWrite is left.
var ErrNotRemoved = errors.New("the collection of the trial is left")

// TryWrite proves that the database may be written with the concern of the
// history. It inserts a document into a new collection with a random name, and
// removes that collection again, even if ctx ends in between. ErrNotRemoved: the
// document was written, and the collection could not be removed.
func (s *Store) TryWrite(ctx context.Context) error {
	in := s.messages.Database().Collection(tried + strings.ToLower(rand.Text()))
	err := s.trip(ctx, "try to write", func(ctx context.Context) error {
		_, err := in.InsertOne(ctx, bson.D{{Key: "at", Value: time.Now()}})
		return err
	})
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanWait)
	defer cancel()
	if derr := in.Drop(end); derr != nil && err == nil {
		return fmt.Errorf("%w: %s: %w", ErrNotRemoved, in.Name(), derr)
	}
	return err
}
