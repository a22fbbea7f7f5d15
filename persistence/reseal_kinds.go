package persistence

import (
	"time"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/persistence/internal/chain"
	"chatbox/persistence/internal/record"
	"chatbox/persistence/internal/reseal"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
)

// sealedKind is a collection with sealed fields.
type sealedKind struct {
	name   string
	in     *mongo.Collection
	stays  bool
	only   bson.D // which documents; nil: all
	decode func(raw bson.Raw) (reseal.Doc, error)
	// derive returns the values to set with the new boxes, because they depend on
	// the key as well.
	derive func(d reseal.Doc) (bson.D, error)
}

// sealed returns every collection with sealed fields.
func (s resealSource) sealed() []sealedKind {
	none := func(reseal.Doc) (bson.D, error) { return nil, nil }
	now := primitive.NewDateTimeFromTime(time.Now())
	return []sealedKind{
		{name: "sessions", in: s.sessions, decode: sessionParts, derive: s.deriveSession},
		{name: "messages", in: s.messages, decode: messageParts, derive: s.deriveMessage},
		{name: "cards", in: s.cards, decode: cardParts, derive: none},
		{name: "audit", in: s.audit, decode: auditParts, derive: none},
		{name: "people", in: s.people, decode: personParts, derive: none},
		{name: "blocks", in: s.blocks, decode: blockParts, derive: none},
		// A link is found by a digest of its token, which only its holder has.
		{
			name: "shares", in: s.shares, stays: true, decode: shareParts, derive: none,
			only: bson.D{{Key: "expires", Value: bson.D{{Key: "$gte", Value: now}}}},
		},
		// The key of a file's record tells the key of its content.
		{
			name: "files", in: s.files, stays: true, decode: fileParts, derive: none,
			only: bson.D{{Key: "box", Value: bson.D{{Key: "$exists", Value: true}}}},
		},
	}
}

// parts collects the sealed fields of one document. An absent field has no box.
type parts []reseal.Part

func (p *parts) add(name string, box []byte, aad []string) {
	if len(box) > 0 {
		*p = append(*p, reseal.Part{Name: name, Box: box, AAD: aad})
	}
}

func messageParts(raw bson.Raw) (reseal.Doc, error) {
	var d messageDoc
	err := bson.Unmarshal(raw, &d)
	var p parts
	k := chatbox.SessionKey{Tenant: d.Tenant, ID: d.Session}
	p.add("box", d.Box, record.EventAAD(k, d.Key))
	if d.Feedback != nil {
		p.add("feedback.comment", d.Feedback.Comment, record.TextAAD(k, record.PartFeedback(d.Seq)))
	}
	return reseal.Doc{Parts: p, Row: d, Broken: d.malformed}, err
}

func (s resealSource) deriveMessage(d reseal.Doc) (bson.D, error) {
	doc, ok := d.Row.(messageDoc)
	if s.cfg.NoWords || !ok || doc.malformed {
		return nil, nil
	}
	tokens, err := record.MessageTokens(s.keys, s.decodeEvent(doc))
	if err != nil || len(tokens) == 0 {
		return nil, err
	}
	return bson.D{{Key: "words", Value: tokens}}, nil
}

func sessionParts(raw bson.Raw) (reseal.Doc, error) {
	var d sessionDoc
	err := bson.Unmarshal(raw, &d)
	k := chatbox.SessionKey{Tenant: d.Tenant, ID: d.Session}
	var p parts
	p.add("name", d.Name, record.TextAAD(k, record.PartName))
	p.add("owner_name", d.OwnerName, record.TextAAD(k, record.PartOwner))
	p.add("state.holder_name", d.State.HolderName, record.TextAAD(k, record.PartHolder))
	p.add("assigned_name", d.AssignedName, record.TextAAD(k, record.PartAssignee))
	if d.Rating != nil {
		p.add("rating.comment", d.Rating.Comment, record.TextAAD(k, record.PartRating))
	}
	for i, t := range d.Tags {
		p.add(tagPath(i, "box"), t.Box, record.TextAAD(k, record.PartTag))
	}
	return reseal.Doc{Parts: p, Row: d, Broken: d.malformed}, err
}

func (s resealSource) deriveSession(d reseal.Doc) (set bson.D, err error) {
	doc, ok := d.Row.(sessionDoc)
	if !ok {
		return nil, nil
	}
	for _, p := range d.Parts {
		if p.New == nil || p.Name != "name" || s.cfg.NoWords {
			continue
		}
		tokens, err := record.NameTokens(s.keys, chatbox.SessionKey{Tenant: doc.Tenant, ID: doc.Session}, string(p.Plain))
		if err != nil {
			return nil, err
		}
		if len(tokens) > 0 {
			set = append(set, bson.E{Key: "name_words", Value: tokens})
		}
	}
	for i := range doc.Tags {
		for _, p := range d.Parts {
			if p.New != nil && p.Name == tagPath(i, "box") {
				set = append(set, bson.E{Key: tagPath(i, "mark"), Value: record.TagMark(s.keys, doc.Tenant, string(p.Plain))})
			}
		}
	}
	return set, nil
}

func cardParts(raw bson.Raw) (reseal.Doc, error) {
	var d cardDoc
	err := bson.Unmarshal(raw, &d)
	card := helpdesk.Card{
		Pile: helpdesk.CardPile{Tenant: d.Tenant, Kind: helpdesk.CardKind(d.Kind), Subject: d.Subject}, ID: d.ID,
	}
	var p parts
	p.add("box", d.Box, record.CardAAD(card, record.CardBody))
	p.add("author_name", d.AuthorName, record.CardAAD(card, record.CardAuthor))
	return reseal.Doc{Parts: p}, err
}

func auditParts(raw bson.Raw) (reseal.Doc, error) {
	var d auditDoc
	err := bson.Unmarshal(raw, &d)
	var p parts
	p.add("seal", d.Seal, chain.SealPlace(d.Tenant, d.N))
	return reseal.Doc{Parts: p}, err
}

func personParts(raw bson.Raw) (reseal.Doc, error) {
	var d personDoc
	err := bson.Unmarshal(raw, &d)
	var p parts
	p.add("key", d.Key, chain.PersonPlace(chatbox.UserKey{Tenant: d.Tenant, ID: d.User}))
	return reseal.Doc{Parts: p}, err
}

func blockParts(raw bson.Raw) (reseal.Doc, error) {
	var d blockDoc
	err := bson.Unmarshal(raw, &d)
	var p parts
	p.add("reason", d.Reason, record.TextAAD(chatbox.SessionKey{Tenant: d.Tenant, ID: d.User}, record.PartBlock))
	return reseal.Doc{Parts: p}, err
}

func shareParts(raw bson.Raw) (reseal.Doc, error) {
	var d shareDoc
	err := bson.Unmarshal(raw, &d)
	var p parts
	p.add("name", d.Name, record.TextAAD(chatbox.SessionKey{Tenant: d.Tenant, ID: d.Session}, record.PartShare+d.ID))
	return reseal.Doc{Parts: p, Derived: record.Time(int64(d.Created))}, err
}

func fileParts(raw bson.Raw) (reseal.Doc, error) {
	var d fileDoc
	err := bson.Unmarshal(raw, &d)
	var p parts
	p.add("box", d.Box, record.FileAAD(chatbox.FileKey{Tenant: d.Tenant, ID: d.ID}))
	return reseal.Doc{Parts: p}, err
}
