package doctext

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// Bounds of a packed document besides maxUnpacked.
const (
	maxParts = 10_000
	// maxDepth is how deeply elements may be nested. Documents nest some dozens.
	maxDepth = 1_000
	// ole is how a container of the older kind begins: Office packs a document that
	// has a password into one.
	ole = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
)

// archive is a packed document.
type archive struct {
	parts map[string]*zip.File
	left  int64 // bytes that may still be unpacked, over all reads
}

func openArchive(content []byte) (*archive, error) {
	if bytes.HasPrefix(content, []byte(ole)) {
		return nil, errEncrypted
	}
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return nil, fmt.Errorf("doctext: unpack: %w", err)
	}
	if len(z.File) > maxParts {
		return nil, errTooLarge
	}
	a := &archive{parts: make(map[string]*zip.File, len(z.File)), left: maxUnpacked}
	for _, f := range z.File {
		name := strings.TrimPrefix(f.Name, "/")
		if _, ok := a.parts[name]; ok {
			return nil, errors.New("doctext: two parts have one name")
		}
		a.parts[name] = f
	}
	return a, nil
}

// unpacked returns how many bytes the parts have, as the archive says.
func (a *archive) unpacked() uint64 {
	var sum uint64
	for _, f := range a.parts {
		sum += min(f.UncompressedSize64, 2*maxUnpacked)
	}
	return sum
}

// part calls read with the part of the name, if there is one.
func (a *archive) part(name string, read func(io.Reader) error) error {
	f, ok := a.parts[name]
	if !ok {
		return nil
	}
	if f.Flags&1 != 0 {
		return errEncrypted
	}
	r, err := f.Open()
	if err != nil {
		return fmt.Errorf("doctext: unpack: %w", err)
	}
	defer r.Close()
	return read(&counted{r, a})
}

// counted reads from an archive within its bound.
type counted struct {
	r io.Reader
	a *archive
}

// Read reads, and counts.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.a.left -= int64(n); c.a.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

// element is the start of an XML element.
type element struct {
	name  string // without its namespace
	attrs []xml.Attr
}

// attr returns the value of the attribute, or "".
func (e element) attr(name string) string {
	for _, a := range e.attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// visitor is told what a part consists of. begin skips an element with all that is
// in it by returning false.
type visitor interface {
	begin(e element) (inside bool, err error)
	end(name string) error
	text(s string) error
}

// walk reads a part. encoding/xml expands no entities but XML's own five, and reads
// nothing from elsewhere.
func walk(r io.Reader, v visitor) error {
	d := xml.NewDecoder(r)
	for depth := 0; ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("doctext: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			inside, err := v.begin(element{t.Name.Local, t.Attr})
			switch {
			case err != nil:
				return err
			case !inside:
				if err := d.Skip(); err != nil {
					return fmt.Errorf("doctext: %w", err)
				}
				continue
			}
			if depth++; depth > maxDepth {
				return errors.New("doctext: elements are nested too deeply")
			}
		case xml.EndElement:
			depth--
			if err := v.end(t.Name.Local); err != nil {
				return err
			}
		case xml.CharData:
			if err := v.text(string(t)); err != nil {
				return err
			}
		}
	}
}

// relation is a link from one part to another.
type relation struct{ id, kind, target string }

type relations struct {
	from string // the folder of the part
	list []relation
}

func (l *relations) begin(e element) (bool, error) {
	if e.name == "Relationship" && e.attr("TargetMode") != "External" {
		target := e.attr("Target")
		if !strings.HasPrefix(target, "/") {
			target = path.Join(l.from, target)
		}
		l.list = append(l.list, relation{id: e.attr("Id"), kind: path.Base(e.attr("Type")), target: strings.TrimPrefix(target, "/")})
	}
	return true, nil
}

func (*relations) end(string) error  { return nil }
func (*relations) text(string) error { return nil }

// relations returns the links of the part with the name; "": of the document.
func (a *archive) relations(name string) ([]relation, error) {
	folder, file := path.Split(name)
	l := &relations{from: folder}
	err := a.part(folder+"_rels/"+file+".rels", func(r io.Reader) error { return walk(r, l) })
	return l.list, err
}

// main returns the name of a document's first part, whose first element is root.
func (a *archive) main(root string) (string, error) {
	list, err := a.relations("")
	if err != nil {
		return "", err
	}
	for _, l := range list {
		if l.kind != "officeDocument" || a.parts[l.target] == nil {
			continue
		}
		return l.target, a.part(l.target, func(r io.Reader) error { return begins(r, root) })
	}
	return "", errors.New("doctext: the document has no first part")
}

// begins refuses a part whose first element is not named so.
func begins(r io.Reader, root string) error {
	for d := xml.NewDecoder(r); ; {
		token, err := d.Token()
		if err != nil {
			return fmt.Errorf("doctext: %w", err)
		}
		if t, ok := token.(xml.StartElement); ok {
			if t.Name.Local != root {
				return errors.New("doctext: a document of another kind")
			}
			return nil
		}
	}
}
