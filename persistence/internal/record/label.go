package record

import (
	"cmp"
	"slices"

	"chatbox"
	"chatbox/helpdesk"
)

// Tag is one stored tag of a session: a box with the label, and the mark by which
// sessions with the tag are found. Without the key nobody can tell which label a
// mark stands for, or that two tenants use the same tag.
type Tag struct {
	Mark []byte `bson:"mark" json:"mark"`
	Box  []byte `bson:"box" json:"box"`
}

// Finder computes digests by which a text can be found: one for each of its keys,
// the sealing key's first.
type Finder interface {
	Digests(purpose, text string) [][]byte
}

// Names of the parts of a session that staff set.
const (
	PartTag      = "tag"
	PartAssignee = "assignee_name"
)

// A mark is half a digest: 16 bytes, enough that no two tags of a tenant share
// one.
const (
	purposeTag = "tag:" // followed by the tenant
	markSize   = 16
)

// MaxMarks is the largest number of a tenant's marks that are read to find the
// most used tags. A tag has one mark for each key that it was sealed with.
const MaxMarks = 10_000

// TagMarks returns the marks that sessions with the tag may have, one for each
// key.
func TagMarks(f Finder, tenant, tag string) [][]byte {
	marks := f.Digests(purposeTag+tenant, helpdesk.FoldTag(tag))
	for i := range marks {
		marks[i] = marks[i][:markSize]
	}
	return marks
}

// TagMark returns the mark of the tag under the sealing key.
func TagMark(f Finder, tenant, tag string) []byte { return TagMarks(f, tenant, tag)[0] }

// SealTags seals the session's tags.
func SealTags(c Cipher, f Finder, k chatbox.SessionKey, tags []string) ([]Tag, error) {
	out := make([]Tag, len(tags))
	for i, tag := range tags {
		box, err := SealText(c, k, PartTag, tag)
		if err != nil {
			return nil, err
		}
		out[i] = Tag{Mark: TagMark(f, k.Tenant, tag), Box: box}
	}
	return out, nil
}

// Tags reverses SealTags. A tag that cannot be read is skipped.
func (o *Opener) Tags(tags []Tag) []string {
	var out []string
	for _, t := range tags {
		if tag := o.Text(PartTag, t.Box); tag != "" {
			out = append(out, tag)
		}
	}
	return out
}

// SealAssignee seals the name of the session's assignee.
func SealAssignee(c Cipher, k chatbox.SessionKey, a chatbox.Assignee) ([]byte, error) {
	return SealText(c, k, PartAssignee, a.Name)
}

// Assignee reverses SealAssignee. An empty id means no assignee.
func (o *Opener) Assignee(id string, box []byte) chatbox.Assignee {
	return chatbox.Assignee{ID: id, Name: o.Text(PartAssignee, box)}
}

// StaffQuery is a query with the marks of its tags and the tokens of its name. A
// session must have one mark of each list, and all tokens of at least one list.
type StaffQuery struct {
	helpdesk.StaffQuery

	Marks [][][]byte
	Names [][]int64
}

// Marked computes the marks of the query's tags.
func Marked(f Finder, q helpdesk.StaffQuery) StaffQuery {
	out := StaffQuery{StaffQuery: q}
	for _, tag := range q.Tags {
		out.Marks = append(out.Marks, TagMarks(f, q.Tenant, tag))
	}
	return out
}

// FoundTag is a mark in use, with the label box of one session that has it.
type FoundTag struct {
	Sessions int64
	Session  chatbox.SessionKey
	Box      []byte
}

// CountTags decrypts the labels and adds up the counts of a tag under several
// keys. It returns up to most tags, most used first; equal counts are sorted by
// label. A label that cannot be read is skipped.
func CountTags(c Cipher, found []FoundTag, most int) []helpdesk.TagCount {
	at := map[string]int{}
	var out []helpdesk.TagCount
	for _, f := range found {
		tag, err := OpenText(c, f.Session, PartTag, f.Box)
		if err != nil || tag == "" {
			continue
		}
		folded := helpdesk.FoldTag(tag)
		if i, known := at[folded]; known {
			out[i].Sessions += f.Sessions
			continue
		}
		at[folded] = len(out)
		out = append(out, helpdesk.TagCount{Tag: tag, Sessions: f.Sessions})
	}
	slices.SortFunc(out, func(a, b helpdesk.TagCount) int {
		return cmp.Or(cmp.Compare(b.Sessions, a.Sessions), cmp.Compare(helpdesk.FoldTag(a.Tag), helpdesk.FoldTag(b.Tag)))
	})
	return out[:min(len(out), most)]
}
