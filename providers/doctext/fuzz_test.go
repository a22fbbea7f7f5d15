package doctext

import (
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

// fuzz runs a reader in this process: what a document may cost is the helper's concern, but no document should make a reader panic.
func fuzz(f *testing.F, k kind, seeds ...string) {
	f.Helper()
	for _, name := range seeds {
		content, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		o := newOutput(MaxText)
		if err := extract(k, content, t.TempDir(), o); err != nil {
			_ = exitCode(err)
		}
		check(t, o.String())
	})
}

func check(t *testing.T, text string) {
	t.Helper()
	if len(text) > MaxText || !utf8.ValidString(text) || strings.ContainsAny(text, "\r\x00") || strings.Contains(text, "\n\n\n") {
		t.Fatalf("%d bytes of text are not clean", len(text))
	}
}

func FuzzDocx(f *testing.F) { fuzz(f, docx, "letter.docx", "slides.pptx") }
func FuzzXlsx(f *testing.F) { fuzz(f, xlsx, "prices.xlsx") }
func FuzzPptx(f *testing.F) { fuzz(f, pptx, "slides.pptx") }
func FuzzOdt(f *testing.F)  { fuzz(f, odt, "minutes.odt") }

// FuzzXML fuzzes the parts themselves, which a change of a packed document rarely reaches.
func FuzzXML(f *testing.F) {
	f.Add(`<w:document xmlns:w="w"><w:p><w:r><w:t>x</w:t><w:tab/></w:r></w:p><w:tbl><w:tr><w:tc><w:p/></w:tc></w:tr></w:tbl></w:document>`)
	f.Add(`<o xmlns:text="t"><text:p>a<text:s text:c="3"/><text:note><text:note-body><text:p>n</text:p></text:note-body></text:note></text:p></o>`)
	f.Fuzz(func(t *testing.T, content string) {
		for _, v := range []func(*output) visitor{
			func(o *output) visitor { return &ooxml{flow: flow{o: o}} },
			func(o *output) visitor { return &opendocument{flow: flow{o: o}} },
			func(o *output) visitor { return &opendocument{flow: flow{o: o}, only: "header"} },
			func(*output) visitor { return &slides{} },
			func(*output) visitor { return &relations{} },
		} {
			o := newOutput(1000)
			_ = walk(strings.NewReader(content), v(o))
			if len(o.String()) > 1000 {
				t.Fatal("too long")
			}
			check(t, o.String())
		}
	})
}

func FuzzPlain(f *testing.F) {
	f.Add([]byte("a\r\n\r\n\r\nb"))
	f.Add([]byte("\xff\xfea\x00"))
	f.Fuzz(func(t *testing.T, content []byte) {
		text, err := plainText(strings.NewReader(string(content)))
		if err != nil {
			t.Fatal(err)
		}
		check(t, text)
	})
}
