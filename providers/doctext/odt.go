package doctext

import (
	"errors"
	"io"
	"strconv"
	"strings"
)

// maxRepeat bounds spaces and cells that a document writes as one with a count.
const maxRepeat = 64

// opendocument reads the text of a part of an OpenDocument text.
type opendocument struct {
	flow

	inText int // paragraphs that are open: a note is a paragraph within one
	only   string
	inside int // elements that are open below one named only
}

func (d *opendocument) begin(e element) (bool, error) {
	switch e.name {
	case "tracked-changes", "annotation", "annotation-end", "forms", "sequence-decls", "change-start", "settings", "scripts", "font-face-decls":
		return false, nil
	}
	if d.only != "" {
		if d.inside == 0 && !strings.HasPrefix(e.name, d.only) {
			return true, nil
		}
		d.inside++
	}
	switch e.name {
	case "p", "h":
		d.inText++
	case "s":
		return true, d.o.write(strings.Repeat(" ", repeat(e.attr("c"))))
	case "tab":
		return true, d.o.write("\t")
	case "line-break":
		return true, d.breakLine()
	case "note-citation":
		return true, d.o.write(" [")
	case "note-body":
		return true, d.o.write("] (")
	case "table-row":
		d.beginRow()
	case "table-cell", "covered-table-cell":
		for range repeat(e.attr("number-columns-repeated")) {
			d.beginCell()
		}
	}
	return true, nil
}

func (d *opendocument) end(name string) error {
	if d.only != "" {
		if d.inside == 0 {
			return nil
		}
		d.inside--
	}
	switch name {
	case "p", "h":
		if d.inText--; d.inText > 0 {
			return d.o.write(" ")
		}
		return d.paragraph()
	case "note-body":
		d.o.trim()
		return d.o.write(")")
	case "table-row":
		return d.endRow()
	}
	return nil
}

func (d *opendocument) text(s string) error {
	if d.inText == 0 {
		return nil
	}
	// Line ends in the file are spaces of the text.
	return d.o.write(strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == '\t' {
			return ' '
		}
		return r
	}, s))
}

// repeat reads a count; 1 if there is none.
func repeat(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 1
	}
	return min(n, maxRepeat)
}

// manifest finds out whether a document is encrypted.
type manifest struct{ encrypted bool }

func (m *manifest) begin(e element) (bool, error) {
	m.encrypted = m.encrypted || e.name == "encryption-data"
	return true, nil
}

func (*manifest) end(string) error  { return nil }
func (*manifest) text(string) error { return nil }

// odtText writes headers, text and footers.
func odtText(content []byte, o *output) error {
	a, err := openArchive(content)
	if err != nil {
		return err
	}
	var m manifest
	if err := a.part("META-INF/manifest.xml", func(r io.Reader) error { return walk(r, &m) }); err != nil {
		return err
	}
	if m.encrypted {
		return errEncrypted
	}
	if a.parts["content.xml"] == nil {
		return errors.New("doctext: the document has no content")
	}
	for _, step := range []struct{ part, only string }{{"styles.xml", "header"}, {"content.xml", ""}, {"styles.xml", "footer"}} {
		err := a.part(step.part, func(r io.Reader) error {
			return walk(r, &opendocument{flow: flow{o: o}, only: step.only})
		})
		if err != nil {
			return err
		}
		o.skipLine()
	}
	return nil
}
