package record

import (
	"cmp"
	"slices"

	"chatbox"
)

// Tag is one tag of a session at rest: a box with the label, and the mark by
// which sessions with it are found. Nobody without the key can tell what a mark
// stands for, nor that two tenants use the same tag.
type Tag struct {
	Mark []byte `bson:"mark" json:"mark"`
	Box  []byte `bson:"box" json:"box"`
}

// Finder makes what a text may be found by: under each of its keys, the sealing
// one's first.
type Finder interface {
	Digests(purpose, text string) [][]byte
}

// Parts of a session that staff puts on it.
const (
	partTag      = "tag"
	partAssignee = "assignee_name"
)

// A mark is half a digest: 16 bytes, which no two of a tenant's tags share.
const (
	purposeTag = "tag:" // and the tenant
	markSize   = 16
)

// MaxMarks is up to how many of a tenant's marks are looked at to say which tags
// are used most; a tag has one for each key that it was sealed with.
const MaxMarks = 10_000

// TagMarks are the marks that sessions with the tag may have, one for each key.
func TagMarks(f Finder, tenant, tag string) [][]byte {
	marks := f.Digests(purposeTag+tenant, chatbox.FoldTag(tag))
	for i := range marks {
		marks[i] = marks[i][:markSize]
	}
	return marks
}

// SealTags seals the session's tags.
func SealTags(c Cipher, f Finder, k chatbox.SessionKey, tags []string) ([]Tag, error) {
	out := make([]Tag, len(tags))
	for i, tag := range tags {
		box, err := SealText(c, k, partTag, tag)
		if err != nil {
			return nil, err
		}
		out[i] = Tag{Mark: TagMarks(f, k.Tenant, tag)[0], Box: box}
	}
	return out, nil
}

// Tags undoes SealTags; a tag that cannot be read is left out.
func (o *Opener) Tags(tags []Tag) []string {
	var out []string
	for _, t := range tags {
		if tag := o.Text(partTag, t.Box); tag != "" {
			out = append(out, tag)
		}
	}
	return out
}

// SealAssignee seals the name of who is to look after the session.
func SealAssignee(c Cipher, k chatbox.SessionKey, a chatbox.Assignee) ([]byte, error) {
	return SealText(c, k, partAssignee, a.Name)
}

// Assignee undoes SealAssignee; an empty id is nobody.
func (o *Opener) Assignee(id string, box []byte) chatbox.Assignee {
	return chatbox.Assignee{ID: id, Name: o.Text(partAssignee, box)}
}

// StaffQuery is a query with the marks of its tags: a session must have one of
// each list; and with the tokens of its name: all of one of the lists.
type StaffQuery struct {
	chatbox.StaffQuery

	Marks [][][]byte
	Names [][]int64
}

// Marked finds the marks of the query's tags.
func Marked(f Finder, q chatbox.StaffQuery) StaffQuery {
	out := StaffQuery{StaffQuery: q}
	for _, tag := range q.Tags {
		out.Marks = append(out.Marks, TagMarks(f, q.Tenant, tag))
	}
	return out
}

// FoundTag is a mark in use, and the label that one of its sessions has.
type FoundTag struct {
	Sessions int64
	Session  chatbox.SessionKey
	Box      []byte
}

// CountTags opens the labels of what was found and adds up what is the same
// tag under several keys. The most used comes first, of those alike the smaller
// one; there are most of them at most. A label that cannot be read is left out.
func CountTags(c Cipher, found []FoundTag, most int) []chatbox.TagCount {
	at := map[string]int{}
	var out []chatbox.TagCount
	for _, f := range found {
		tag, err := OpenText(c, f.Session, partTag, f.Box)
		if err != nil || tag == "" {
			continue
		}
		folded := chatbox.FoldTag(tag)
		if i, known := at[folded]; known {
			out[i].Sessions += f.Sessions
			continue
		}
		at[folded] = len(out)
		out = append(out, chatbox.TagCount{Tag: tag, Sessions: f.Sessions})
	}
	slices.SortFunc(out, func(a, b chatbox.TagCount) int {
		return cmp.Or(cmp.Compare(b.Sessions, a.Sessions), cmp.Compare(chatbox.FoldTag(a.Tag), chatbox.FoldTag(b.Tag)))
	})
	return out[:min(len(out), most)]
}
