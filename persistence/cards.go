package persistence

import (
	"context"
	"errors"
	"math/rand/v2"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/persistence/internal/record"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// Cards stores the records that staff keep beside the log, such as notes and
// canned replies.
type Cards struct{ s *Store }

// Cards returns the store of staff's records.
func (s *Store) Cards() *Cards { return &Cards{s} }

// cardDoc is one card in the collection cards. Slot is unique in its pile. In a
// pile with a limit it is a number from 1 to the limit, so that racing inserts
// cannot exceed the limit; elsewhere it is the card's id.
type cardDoc struct {
	Key        string             `bson:"_id"` // see placeID for the reason
	Tenant     string             `bson:"tenant"`
	Kind       string             `bson:"kind"`
	Subject    string             `bson:"subject"`
	ID         string             `bson:"id"`
	Slot       any                `bson:"slot"`
	Box        []byte             `bson:"box"`
	Author     string             `bson:"author"`
	AuthorName []byte             `bson:"author_name,omitempty"`
	Created    primitive.DateTime `bson:"created"`
	Updated    primitive.DateTime `bson:"updated"`
	Revision   int64              `bson:"revision"`
}

// Names of the card indexes.
const (
	indexCard   = "tenant_kind_subject_id"
	indexSlot   = "tenant_kind_subject_slot"
	indexPile   = "tenant_kind_subject_created"
	indexAuthor = "tenant_author"
)

func cardIndexes() []mongo.IndexModel {
	pile := func(then ...string) bson.D {
		keys := bson.D{{Key: "tenant", Value: 1}, {Key: "kind", Value: 1}, {Key: "subject", Value: 1}}
		for _, name := range then {
			keys = append(keys, bson.E{Key: name, Value: 1})
		}
		return keys
	}
	return []mongo.IndexModel{
		{Keys: pile("id"), Options: options.Index().SetName(indexCard).SetUnique(true)},
		{Keys: pile("slot"), Options: options.Index().SetName(indexSlot).SetUnique(true)},
		{Keys: pile("created", "id"), Options: options.Index().SetName(indexPile)},
		{Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "author", Value: 1}}, Options: options.Index().SetName(indexAuthor)},
	}
}

func pileOf(p helpdesk.CardPile) bson.D {
	return bson.D{{Key: "tenant", Value: p.Tenant}, {Key: "kind", Value: string(p.Kind)}, {Key: "subject", Value: p.Subject}}
}

func cardOf(p helpdesk.CardPile, id string) bson.D {
	return append(pileOf(p), bson.E{Key: "id", Value: id})
}

// Add stores a new card; see desk.Cards. A caller that loses the race for a slot
// tries another. This ends, because each loss means that another caller has
// succeeded.
func (m *Cards) Add(ctx context.Context, c helpdesk.Card, most int) error {
	const act = "add a card"
	if err := m.s.ready(); err != nil {
		return err
	}
	body, author, err := record.SealCard(m.s.keys, c)
	if err != nil {
		return record.Failed(act, err)
	}
	d := cardDoc{
		Key: record.CardID(c.Pile, c.ID), Tenant: c.Pile.Tenant, Kind: string(c.Pile.Kind), Subject: c.Pile.Subject, ID: c.ID, Slot: c.ID,
		Box: body, Author: c.AuthorID, AuthorName: author, Revision: 1,
		Created: primitive.DateTime(record.Millis(c.CreatedAt)), Updated: primitive.DateTime(record.Millis(c.CreatedAt)),
	}
	for {
		if most > 0 {
			if d.Slot, err = m.freeSlot(ctx, c, most); err != nil {
				return err
			}
		}
		taken := false
		err := m.s.do(ctx, act, func(ctx context.Context) error {
			_, err := m.s.cards.InsertOne(ctx, d)
			if taken = mongo.IsDuplicateKeyError(err); taken {
				return nil
			}
			return err
		})
		if err != nil || !taken {
			return err
		}
		if most == 0 {
			return record.CardClash(c.Pile)
		}
	}
}

// freeSlot returns a random free slot of the pile, so that concurrent callers
// rarely pick the same one.
func (m *Cards) freeSlot(ctx context.Context, c helpdesk.Card, most int) (int, error) {
	var docs []struct {
		ID   string
		Slot int
	}
	err := m.s.find(ctx, "look for a card's slot", &docs, m.s.cards, pileOf(c.Pile),
		options.Find().SetProjection(bson.D{{Key: "_id", Value: 0}, {Key: "id", Value: 1}, {Key: "slot", Value: 1}}))
	if err != nil {
		return 0, err
	}
	used := make(map[int]bool, len(docs))
	for _, d := range docs {
		if d.ID == c.ID {
			return 0, record.CardClash(c.Pile)
		}
		used[d.Slot] = true
	}
	var free []int
	for slot := 1; slot <= most; slot++ {
		if !used[slot] {
			free = append(free, slot)
		}
	}
	if len(free) == 0 {
		return 0, record.TooManyCards(c.Pile, most)
	}
	return free[rand.N(len(free))], nil //nolint:gosec // no secret
}

// Replace stores the next revision of the card; see desk.Cards.
func (m *Cards) Replace(ctx context.Context, c helpdesk.Card) (int64, error) {
	const act = "replace a card"
	body, author, err := record.SealCard(m.s.keys, c)
	if err != nil {
		return 0, record.Failed(act, err)
	}
	next := bson.D{{Key: "$set", Value: bson.D{
		{Key: "box", Value: body},
		{Key: "author", Value: c.AuthorID},
		{Key: "author_name", Value: author},
		{Key: "updated", Value: primitive.DateTime(record.Millis(c.UpdatedAt))},
		{Key: "revision", Value: c.Revision + 1},
	}}}
	var replaced, there int64
	err = m.s.do(ctx, act, func(ctx context.Context) error {
		done, err := m.s.cards.UpdateOne(ctx, append(cardOf(c.Pile, c.ID), bson.E{Key: "revision", Value: c.Revision}), next)
		if err != nil {
			return err
		}
		if replaced = done.MatchedCount; replaced > 0 {
			return nil
		}
		there, err = m.s.cards.CountDocuments(ctx, cardOf(c.Pile, c.ID), options.Count().SetLimit(1))
		return err
	})
	switch {
	case err != nil:
		return 0, err
	case replaced > 0:
		return c.Revision + 1, nil
	case there > 0:
		return 0, record.CardClash(c.Pile)
	default:
		return 0, record.NoCard(c.Pile)
	}
}

// Get returns the card, or chatbox.NotFound.
func (m *Cards) Get(ctx context.Context, p helpdesk.CardPile, id string) (helpdesk.Card, error) {
	var d cardDoc
	err := m.s.do(ctx, "read a card", func(ctx context.Context) error {
		return m.s.cards.FindOne(ctx, cardOf(p, id)).Decode(&d)
	})
	if errors.Is(err, mongo.ErrNoDocuments) {
		return helpdesk.Card{}, record.NoCard(p)
	}
	if err != nil {
		return helpdesk.Card{}, err
	}
	return m.open(d), nil
}

// List returns one page of the pile, oldest first.
func (m *Cards) List(ctx context.Context, q helpdesk.CardQuery) (helpdesk.CardPage, error) {
	after, err := record.ParseCardCursor(q.Cursor)
	if err != nil {
		return helpdesk.CardPage{}, err
	}
	filter, created := pileOf(q.Pile), primitive.DateTime(after.Created)
	if q.Cursor != "" {
		filter = append(filter, bson.E{Key: "created", Value: bson.D{{Key: "$gte", Value: created}}},
			bson.E{Key: "$or", Value: bson.A{
				bson.D{{Key: "created", Value: bson.D{{Key: "$gt", Value: created}}}},
				bson.D{{Key: "id", Value: bson.D{{Key: "$gt", Value: after.ID}}}},
			}})
	}
	var docs []cardDoc
	err = m.s.find(ctx, "list cards", &docs, m.s.cards, filter, options.Find().SetLimit(int64(q.Limit)+1).
		SetSort(bson.D{{Key: "created", Value: 1}, {Key: "id", Value: 1}}))
	if err != nil {
		return helpdesk.CardPage{}, err
	}
	cards := make([]helpdesk.Card, len(docs))
	for i, d := range docs {
		cards[i] = m.open(d)
	}
	return record.CardPage(cards, q.Limit), nil
}

// Count returns the number of cards in the pile, counting no further than most.
func (m *Cards) Count(ctx context.Context, p helpdesk.CardPile, most int) (int, error) {
	var n int64
	err := m.s.do(ctx, "count cards", func(ctx context.Context) (err error) {
		n, err = m.s.cards.CountDocuments(ctx, pileOf(p), options.Count().SetLimit(int64(most)))
		return err
	})
	return int(n), err
}

// Delete removes the card. It is not an error if there is no such card.
func (m *Cards) Delete(ctx context.Context, p helpdesk.CardPile, id string) error {
	return m.s.do(ctx, "delete a card", func(ctx context.Context) error {
		_, err := m.s.cards.DeleteOne(ctx, cardOf(p, id))
		return err
	})
}

// Forget deletes all cards of the given kinds about the subject.
func (m *Cards) Forget(ctx context.Context, tenant, subject string, kinds ...helpdesk.CardKind) error {
	return m.s.do(ctx, "forget cards", func(ctx context.Context) error {
		_, err := m.s.cards.DeleteMany(ctx, bson.D{
			{Key: "tenant", Value: tenant}, {Key: "kind", Value: bson.D{{Key: "$in", Value: kinds}}}, {Key: "subject", Value: subject},
		})
		return err
	})
}

// Disown removes the person's name from all cards that they wrote.
func (m *Cards) Disown(ctx context.Context, u chatbox.UserKey) error {
	return m.s.do(ctx, "disown cards", func(ctx context.Context) error {
		_, err := m.s.cards.UpdateMany(ctx, bson.D{{Key: "tenant", Value: u.Tenant}, {Key: "author", Value: u.ID}}, bson.D{
			{Key: "$set", Value: bson.D{{Key: "author", Value: ""}}}, {Key: "$unset", Value: bson.D{{Key: "author_name", Value: ""}}},
		})
		return err
	})
}

func (m *Cards) open(d cardDoc) helpdesk.Card {
	c := helpdesk.Card{
		Pile: helpdesk.CardPile{Tenant: d.Tenant, Kind: helpdesk.CardKind(d.Kind), Subject: d.Subject}, ID: d.ID, AuthorID: d.Author,
		CreatedAt: record.Time(int64(d.Created)), UpdatedAt: record.Time(int64(d.Updated)), Revision: d.Revision,
	}
	record.OpenCard(m.s.keys, &c, d.Box, d.AuthorName)
	return c
}
