package doctext

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// ooxml reads the text of Word's and PowerPoint's parts, whose paragraphs, runs and
// tables have the same names: p, r, t, tbl, tr, tc.
type ooxml struct {
	flow

	inText bool
}

// left out: formatting, deleted and moved text, codes of fields, and what is there
// a second time for older programs.
func (x *ooxml) leftOut(e element) bool {
	switch e.name {
	case "pPr", "rPr", "tblPr", "tblGrid", "trPr", "tcPr", "sectPr", "sdtPr", "bodyPr", "lstStyle", "instrText", "delText", "delInstrText", "moveFrom", "Fallback":
		return true
	case "fld":
		return e.attr("type") == "slidenum"
	case "footnote", "endnote":
		return e.attr("type") != "" && e.attr("type") != "normal"
	}
	return false
}

func (x *ooxml) begin(e element) (bool, error) {
	if x.leftOut(e) {
		return false, nil
	}
	switch e.name {
	case "t":
		x.inText = true
	case "tab", "ptab":
		return true, x.o.write("\t")
	case "br", "cr":
		return true, x.breakLine()
	case "noBreakHyphen":
		return true, x.o.write("-")
	case "tr":
		x.beginRow()
	case "tc":
		x.beginCell()
	case "footnoteReference", "endnoteReference":
		return true, x.o.write("[" + e.attr("id") + "]")
	case "footnote", "endnote":
		return true, x.o.write("[" + e.attr("id") + "] ")
	}
	return true, nil
}

func (x *ooxml) end(name string) error {
	switch name {
	case "t":
		x.inText = false
	case "p":
		return x.paragraph()
	case "tr":
		return x.endRow()
	}
	return nil
}

func (x *ooxml) text(s string) error {
	if !x.inText {
		return nil
	}
	return x.o.write(s)
}

// ooxmlPart writes the text of one part, or nothing if there is no such part.
func (a *archive) ooxmlPart(name string, o *output) error {
	return a.part(name, func(r io.Reader) error { return walk(r, &ooxml{flow: flow{o: o}}) })
}

// docxText writes headers, text, notes and footers. Pages may have their own
// headers and footers; each text is written once.
func docxText(content []byte, o *output) error {
	a, err := openArchive(content)
	if err != nil {
		return err
	}
	first, err := a.main("document")
	if err != nil {
		return err
	}
	links, err := a.relations(first)
	if err != nil {
		return err
	}
	for _, step := range []string{"header", "", "footnotes", "endnotes", "footer"} {
		if step == "" {
			err = a.ooxmlPart(first, o)
		} else {
			err = a.linked(links, step, o)
		}
		if err != nil {
			return err
		}
		o.skipLine()
	}
	return nil
}

// linked writes the parts of one kind without repeating a text.
func (a *archive) linked(links []relation, kind string, o *output) error {
	var said []string
	for _, l := range links {
		if l.kind != kind {
			continue
		}
		part := newOutput(MaxText)
		if err := a.ooxmlPart(l.target, part); err != nil {
			return err
		}
		if text := part.String(); !slices.Contains(said, text) {
			said = append(said, text)
			if err := o.write(text); err != nil {
				return err
			}
			o.startLine()
		}
	}
	return nil
}

// slides finds the slides of a presentation in their order.
type slides struct{ ids []string }

func (s *slides) begin(e element) (bool, error) {
	if e.name == "sldId" {
		for _, attr := range e.attrs {
			// The other attribute of this name, without a namespace, is a number.
			if attr.Name.Local == "id" && attr.Name.Space != "" {
				s.ids = append(s.ids, attr.Value)
			}
		}
	}
	return true, nil
}

func (*slides) end(string) error  { return nil }
func (*slides) text(string) error { return nil }

// pptxText writes each slide below its number, and its notes.
func pptxText(content []byte, o *output) error {
	a, err := openArchive(content)
	if err != nil {
		return err
	}
	first, err := a.main("presentation")
	if err != nil {
		return err
	}
	links, err := a.relations(first)
	if err != nil {
		return err
	}
	var order slides
	if err := a.part(first, func(r io.Reader) error { return walk(r, &order) }); err != nil {
		return err
	}
	targets := make(map[string]string, len(links))
	for _, l := range links {
		targets[l.id] = l.target
	}
	for i, id := range order.ids {
		o.skipLine()
		if err := o.write(fmt.Sprintf("Slide %d\n", i+1)); err != nil {
			return err
		}
		if err := a.slide(targets[id], o); err != nil {
			return err
		}
	}
	return nil
}

func (a *archive) slide(name string, o *output) error {
	if err := a.ooxmlPart(name, o); err != nil {
		return err
	}
	links, err := a.relations(name)
	if err != nil {
		return err
	}
	for _, l := range links {
		if l.kind != "notesSlide" {
			continue
		}
		notes := newOutput(MaxText)
		if err := a.ooxmlPart(l.target, notes); err != nil {
			return err
		}
		if text := strings.TrimSpace(notes.String()); text != "" {
			o.startLine()
			if err := o.write("Notes: " + text); err != nil {
				return err
			}
		}
	}
	return nil
}
