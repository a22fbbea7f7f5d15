package record

import (
	"chatbox"
	"chatbox/helpdesk"
)

// Names of the sealed parts of a session that staff set, and of a card.
const (
	PartTag      = partTag
	PartAssignee = partAssignee
)

// FileAAD returns the associated data of the box of a file's record.
func FileAAD(k chatbox.FileKey) []string { return fileAAD(k) }

// CardAAD returns the associated data of a card's body and of its author's name.
func CardAAD(c helpdesk.Card) (body, author []string) {
	return cardAAD(c, cardBody), cardAAD(c, cardAuthor)
}

// TagMark returns the mark of the tag under the sealing key.
func TagMark(f Finder, tenant, tag string) []byte { return TagMarks(f, tenant, tag)[0] }
