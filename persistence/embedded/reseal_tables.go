package embedded

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/persistence/internal/chain"
	"chatbox/persistence/internal/record"
	"chatbox/persistence/internal/reseal"
)

// row has the values of one row by column.
type row map[string]any

func (r row) text(column string) string  { s, _ := r[column].(string); return s }
func (r row) number(column string) int64 { n, _ := r[column].(int64); return n }
func (r row) box(column string) []byte   { b, _ := r[column].([]byte); return b }
func (r row) session() chatbox.SessionKey {
	return chatbox.SessionKey{Tenant: r.text("tenant"), ID: r.text("session")}
}

// sealedTable is a table with sealed columns.
type sealedTable struct {
	name    string
	stays   bool
	only    string // which rows; a placeholder is the time
	keys    []string
	columns []string
	decode  func(r row) reseal.Doc
	// derive writes what depends on the key as well, after the boxes; may be nil.
	derive func(ctx context.Context, s resealSource, tx *sql.Tx, d reseal.Doc, r row) error
}

func tableOf(name string) sealedTable {
	for _, t := range sealedTables() {
		if t.name == name {
			return t
		}
	}
	return sealedTable{} // names are those of Kinds
}

// sealedTables returns every table with sealed columns.
func sealedTables() []sealedTable {
	of := func(list string) []string { return strings.Split(list, " ") }
	return []sealedTable{
		{
			name: "sessions", only: "1", keys: of("tenant session"), decode: sessionParts, derive: deriveSession,
			columns: of("name owner_name holder_name assigned_name rating_comment tags"),
		},
		{
			name: "messages", only: "1", keys: of("tenant session seq"), decode: messageParts, derive: deriveMessage,
			columns: of("key type sender status time box feedback_comment"),
		},
		{name: "cards", only: "1", keys: of("tenant kind subject id"), columns: of("box author_name"), decode: cardParts},
		{name: "audit", only: "1", keys: of("tenant n"), columns: of("seal"), decode: auditParts},
		{name: "people", only: "1", keys: of("tenant user"), columns: of("key"), decode: personParts},
		{name: "blocks", only: "1", keys: of("tenant user"), columns: of("reason"), decode: blockParts},
		// A link is found by a digest of its token, which only its holder has.
		{name: "shares", only: "expires >= ?", stays: true, keys: of("digest"), columns: of("tenant session name created"), decode: shareParts},
		// The key of a file's record tells the key of its content.
		{name: "files", only: "1", stays: true, keys: of("tenant id"), columns: of("box"), decode: fileParts},
	}
}

// changes returns the new values by column.
func (t sealedTable) changes(s resealSource, d reseal.Doc, r row) (map[string]any, error) {
	out := map[string]any{}
	for _, p := range d.Parts {
		if p.New != nil && !strings.HasPrefix(p.Name, tagPrefix) {
			out[p.Name] = p.New
		}
	}
	tags, moved, err := s.moveTags(d, r)
	if moved {
		out["tags"] = tags
	}
	return out, err
}

const tagPrefix = "tags."

// moveTags returns the column of the session's tags with new boxes and marks.
func (s resealSource) moveTags(d reseal.Doc, r row) (column []byte, moved bool, err error) {
	tags, err := decodeTags(r.box("tags"))
	if err != nil {
		return nil, false, nil //nolint:nilerr // a malformed column has no parts
	}
	for _, p := range d.Parts {
		at, isTag := strings.CutPrefix(p.Name, tagPrefix)
		if i, err := strconv.Atoi(at); isTag && err == nil && p.New != nil {
			tags[i] = record.Tag{Mark: record.TagMark(s.keys, r.text("tenant"), string(p.Plain)), Box: p.New}
			moved = true
		}
	}
	if moved {
		column, err = json.Marshal(tags)
	}
	return column, moved, err
}

func doc(parts ...reseal.Part) reseal.Doc {
	var d reseal.Doc
	for _, p := range parts {
		if len(p.Box) > 0 {
			d.Parts = append(d.Parts, p)
		}
	}
	return d
}

func part(r row, column string, aad []string) reseal.Part {
	return reseal.Part{Name: column, Box: r.box(column), AAD: aad}
}

func messageParts(r row) reseal.Doc {
	return doc(
		part(r, "box", record.EventAAD(r.session(), r.text("key"))),
		part(r, "feedback_comment", record.TextAAD(r.session(), record.PartFeedback(r.number("seq")))),
	)
}

func deriveMessage(ctx context.Context, s resealSource, tx *sql.Tx, d reseal.Doc, r row) error {
	e := chatbox.Event{
		Session: r.session(), Seq: r.number("seq"), Key: r.text("key"), Type: chatbox.Type(r.text("type")),
		Sender: chatbox.Sender(r.text("sender")), Status: chatbox.Status(r.text("status")), Time: record.Time(r.number("time")),
	}
	at := slices.IndexFunc(d.Parts, func(p reseal.Part) bool { return p.Name == "box" && p.New != nil })
	if at < 0 {
		return nil
	}
	record.OpenEvent(s.keys, d.Parts[at].New, &e)
	tokens, err := s.messageTokens(e)
	if err != nil || s.noWords {
		return err
	}
	if err := s.unindexWords(ctx, tx, e.Session, e.Seq, e.Seq); err != nil {
		return err
	}
	return s.indexWords(ctx, tx, e, tokens)
}

func sessionParts(r row) reseal.Doc {
	k := r.session()
	d := doc(
		part(r, "name", record.TextAAD(k, record.PartName)),
		part(r, "owner_name", record.TextAAD(k, record.PartOwner)),
		part(r, "holder_name", record.TextAAD(k, record.PartHolder)),
		part(r, "assigned_name", record.TextAAD(k, record.PartAssignee)),
		part(r, "rating_comment", record.TextAAD(k, record.PartRating)),
	)
	tags, err := decodeTags(r.box("tags"))
	d.Broken = err != nil
	for i, t := range tags {
		d.Parts = append(d.Parts, reseal.Part{Name: tagPrefix + strconv.Itoa(i), Box: t.Box, AAD: record.TextAAD(k, record.PartTag)})
	}
	return d
}

func deriveSession(ctx context.Context, s resealSource, tx *sql.Tx, d reseal.Doc, r row) error {
	k := r.session()
	marked := false
	for _, p := range d.Parts {
		if p.New == nil {
			continue
		}
		marked = marked || strings.HasPrefix(p.Name, tagPrefix)
		if p.Name != "name" || s.noWords {
			continue
		}
		tokens, err := s.nameTokens(k, string(p.Plain))
		if err == nil {
			err = s.indexName(ctx, tx, k, tokens)
		}
		if err != nil {
			return err
		}
	}
	if !marked {
		return nil
	}
	var column []byte
	if err := tx.QueryRowContext(ctx, "SELECT tags FROM sessions WHERE tenant = ? AND session = ?", k.Tenant, k.ID).Scan(&column); err != nil {
		return err
	}
	tags, err := decodeTags(column)
	if err == nil {
		_, err = tx.ExecContext(ctx, sqlUnmark, k.Tenant, k.ID)
	}
	for _, t := range tags {
		if err == nil {
			_, err = tx.ExecContext(ctx, sqlMark, k.Tenant, k.ID, t.Mark)
		}
	}
	return err
}

func cardParts(r row) reseal.Doc {
	card := helpdesk.Card{
		Pile: helpdesk.CardPile{Tenant: r.text("tenant"), Kind: helpdesk.CardKind(r.text("kind")), Subject: r.text("subject")}, ID: r.text("id"),
	}
	return doc(part(r, "box", record.CardAAD(card, record.CardBody)), part(r, "author_name", record.CardAAD(card, record.CardAuthor)))
}

func auditParts(r row) reseal.Doc {
	return doc(part(r, "seal", chain.SealPlace(r.text("tenant"), r.number("n"))))
}

func personParts(r row) reseal.Doc {
	return doc(part(r, "key", chain.PersonPlace(chatbox.UserKey{Tenant: r.text("tenant"), ID: r.text("user")})))
}

func blockParts(r row) reseal.Doc {
	return doc(part(r, "reason", record.TextAAD(chatbox.SessionKey{Tenant: r.text("tenant"), ID: r.text("user")}, record.PartBlock)))
}

func shareParts(r row) reseal.Doc {
	d := doc(part(r, "name", record.TextAAD(r.session(), record.PartShare+r.text("digest"))))
	d.Derived = record.Time(r.number("created"))
	return d
}

func fileParts(r row) reseal.Doc {
	return doc(part(r, "box", record.FileAAD(chatbox.FileKey{Tenant: r.text("tenant"), ID: r.text("id")})))
}
