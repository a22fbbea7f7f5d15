package doctext

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// part is a part of a packed document.
type part struct{ name, content string }

func pack(tb testing.TB, parts ...part) []byte {
	tb.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, p := range parts {
		w, err := z.Create(p.name)
		require.NoError(tb, err)
		_, err = w.Write([]byte(p.content))
		require.NoError(tb, err)
	}
	require.NoError(tb, z.Close())
	return b.Bytes()
}

func root(target string) part {
	return part{"_rels/.rels", `<Relationships><Relationship Id="r" Type="http://x/officeDocument" Target="` + target + `"/></Relationships>`}
}

// word is a docx with the body.
func word(tb testing.TB, body string) []byte {
	tb.Helper()
	return pack(tb, root("d.xml"), part{"d.xml", `<w:document xmlns:w="w"><w:body>` + body + `</w:body></w:document>`})
}

func writer(tb testing.TB, body string) []byte {
	tb.Helper()
	return pack(tb, part{"content.xml", `<o xmlns:text="t" xmlns:table="a">` + body + `</o>`})
}

// bomb is a zip archive whose one part unpacks to size bytes; its header claims another size.
func bomb(tb testing.TB, name string, size int, claimed uint64) []byte {
	tb.Helper()
	var packed, b bytes.Buffer
	f, err := flate.NewWriter(&packed, 9)
	require.NoError(tb, err)
	// From the second one on, each mebibyte is packed into the same bytes.
	var second []byte
	for range 2 {
		begin := packed.Len()
		_, err = f.Write(bytes.Repeat([]byte(" "), 1<<20))
		require.NoError(tb, err)
		require.NoError(tb, f.Flush())
		second = bytes.Clone(packed.Bytes()[begin:])
	}
	packed.Write(bytes.Repeat(second, size>>20-2))
	require.NoError(tb, f.Close())
	z := zip.NewWriter(&b)
	w, err := z.CreateRaw(&zip.FileHeader{Name: name, Method: zip.Deflate, CompressedSize64: uint64(packed.Len()), UncompressedSize64: claimed})
	require.NoError(tb, err)
	_, err = w.Write(packed.Bytes())
	require.NoError(tb, err)
	r := root(name)
	w, err = z.Create(r.name)
	require.NoError(tb, err)
	_, err = w.Write([]byte(r.content))
	require.NoError(tb, err)
	require.NoError(tb, z.Close())
	return b.Bytes()
}

// portable is a PDF of the objects, numbered from 1; the first is the catalogue.
func portable(objects ...string) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	at := make([]int, len(objects))
	for i, o := range objects {
		at[i] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	xref := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, p := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", p)
	}
	fmt.Fprintf(&b, "trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF", len(objects)+1, xref)
	return b.Bytes()
}

// pages is a PDF of n pages with the same text.
func pages(n int) []byte {
	text := "BT /F 12 Tf 72 700 Td (same) Tj ET"
	objects := []string{
		"<</Type/Catalog/Pages 2 0 R>>", "", "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
		fmt.Sprintf("<</Length %d>>stream\n%s\nendstream", len(text), text),
	}
	var kids strings.Builder
	for i := range n {
		fmt.Fprintf(&kids, "%d 0 R ", i+5)
		objects = append(objects, "<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F 3 0 R>>>>>>")
	}
	objects[1] = fmt.Sprintf("<</Type/Pages/Count %d/Kids[%s]>>", n, kids.String())
	return portable(objects...)
}

// xrefLoop is a PDF whose tables of objects point to each other.
func xrefLoop() []byte {
	const head = "%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n"
	table := "xref\n0 1\n0000000000 65535 f \ntrailer\n<</Size 3/Root 1 0 R/Prev %d>>\n"
	first := len(head)
	second := first + len(fmt.Sprintf(table, 100))
	return []byte(head + fmt.Sprintf(table, second) + fmt.Sprintf(table, first) + fmt.Sprintf("startxref\n%d\n%%%%EOF", first))
}

const lol = `<!DOCTYPE d [<!ENTITY a "lollollol"><!ENTITY b "&a;&a;&a;&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>`

func TestText_HostileDocuments(t *testing.T) {
	t.Parallel()
	r := reader(t, nil)
	deep := strings.Repeat("<w:p>", 200_000)
	for name, tc := range map[string]struct {
		contentType string
		content     []byte
		want        error
	}{
		"docx: not a zip":               {docxType, []byte("no zip"), ErrBroken},
		"docx: nothing":                 {docxType, nil, ErrBroken},
		"docx: cut":                     {docxType, file(t, "letter.docx")[:9000], ErrBroken},
		"docx: no first part":           {docxType, pack(t, part{"d.xml", "<a/>"}), ErrBroken},
		"docx: first part outside":      {docxType, pack(t, root("../../../etc/passwd")), ErrBroken},
		"docx: not XML":                 {docxType, word(t, "<<<"), ErrBroken},
		"docx: not closed":              {docxType, word(t, "<w:p>"), ErrBroken},
		"docx: entities":                {docxType, pack(t, root("d.xml"), part{"d.xml", lol + "<document><t>&b;</t></document>"}), ErrBroken},
		"docx: entity of a file":        {docxType, pack(t, root("d.xml"), part{"d.xml", lol + "<document><t>&c;</t></document>"}), ErrBroken},
		"docx: deep":                    {docxType, word(t, deep), ErrBroken},
		"docx: deep and left out":       {docxType, word(t, "<w:pPr>"+deep), ErrBroken},
		"docx: bomb":                    {docxType, bomb(t, "d.xml", 500<<20, 500<<20), ErrTooLarge},
		"docx: bomb that lies":          {docxType, bomb(t, "d.xml", 500<<20, 1000), ErrBroken},
		"docx: one part often":          {docxType, often(t), ErrTooLarge},
		"docx: two parts of one name":   {docxType, pack(t, root("d.xml"), part{"d.xml", "<a/>"}, part{"d.xml", "<b/>"}), ErrBroken},
		"docx: many parts":              {docxType, manyParts(t), ErrTooLarge},
		"docx: with a password":         {docxType, []byte(ole + strings.Repeat("x", 2000)), ErrEncrypted},
		"xlsx: with a password":         {xlsxType, []byte(ole + strings.Repeat("x", 2000)), ErrEncrypted},
		"xlsx: not a zip":               {xlsxType, []byte("PK\x03\x04"), ErrBroken},
		"xlsx: bomb":                    {xlsxType, bomb(t, "xl/workbook.xml", 500<<20, 500<<20), ErrTooLarge},
		"xlsx: a docx":                  {xlsxType, file(t, "letter.docx"), ErrBroken},
		"pptx: a docx":                  {pptxType, file(t, "letter.docx"), ErrBroken},
		"odt: a docx":                   {odtType, file(t, "letter.docx"), ErrBroken},
		"odt: with a password":          {odtType, pack(t, part{"content.xml", "\x00"}, part{"META-INF/manifest.xml", `<m><f><encryption-data/></f></m>`}), ErrEncrypted},
		"odt: bomb":                     {odtType, bomb(t, "content.xml", 500<<20, 500<<20), ErrTooLarge},
		"odt: rows end that never were": {odtType, writer(t, "<p></p></p>"), ErrBroken},
		"pdf: nothing":                  {pdfType, nil, ErrBroken},
		"pdf: not a PDF":                {pdfType, []byte("%PDF-1.7\n"), ErrBroken},
		"pdf: cut":                      {pdfType, file(t, "page.pdf")[:300], ErrBroken},
		"pdf: with a password":          {pdfType, file(t, "locked.pdf"), ErrEncrypted},
		"pdf: tables in a circle":       {pdfType, xrefLoop(), ErrBroken},
		"pdf: too large":                {pdfType, make([]byte, MaxContent+1), ErrTooLarge},
	} {
		text, err := r.Text(t.Context(), tc.contentType, bytes.NewReader(tc.content))
		require.ErrorIs(t, err, tc.want, name)
		assert.Empty(t, text, name)
		assert.NotContains(t, err.Error(), "lol", name)
	}
}

// often is a docx with a large header, linked a thousand times.
func often(t *testing.T) []byte {
	t.Helper()
	var links strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&links, `<Relationship Id="h%d" Type="x/header" Target="h.xml"/>`, i)
	}
	return pack(t, root("d.xml"), part{"d.xml", "<document/>"}, part{"_rels/d.xml.rels", "<R>" + links.String() + "</R>"},
		part{"h.xml", "<h>" + strings.Repeat(" ", 1<<20) + "</h>"})
}

func manyParts(t *testing.T) []byte {
	t.Helper()
	parts := []part{root("d.xml"), {"d.xml", "<document/>"}}
	for i := range maxParts {
		parts = append(parts, part{fmt.Sprint(i), ""})
	}
	return pack(t, parts...)
}

// TestText_StrangeDocuments: what is odd but readable is read, within the bounds.
func TestText_StrangeDocuments(t *testing.T) {
	t.Parallel()
	r := reader(t, nil)
	read := func(contentType string, content []byte) string {
		t.Helper()
		text, err := r.Text(t.Context(), contentType, bytes.NewReader(content))
		require.NoError(t, err)
		return text
	}
	text := read(pdfType, pages(maxPages+1))
	assert.Equal(t, maxPages, strings.Count(text, "same"))
	assert.True(t, strings.HasSuffix(text, CutNote))
	assert.Equal(t, 3, strings.Count(read(pdfType, pages(3)), "same"))

	assert.Len(t, read(odtType, writer(t, `<text:p>a<text:s text:c="2000000000"/>b</text:p>`)), 2+maxRepeat)
	assert.Equal(t, "a\nb", read(odtType, writer(t, `<table:table><table:table-row><table:table-cell table:number-columns-repeated="-5"><text:p>a</text:p></table:table-cell>`+
		`</table:table-row></table:table><text:tracked-changes><text:p>gone</text:p></text:tracked-changes><text:p>b</text:p>`)))

	assert.Equal(t, "x\ny [ z ] w\tq", strings.ReplaceAll(read(docxType, word(t, `<w:p><w:r><w:t>x</w:t></w:r></w:p>`+
		`<w:tbl><w:tr><w:tc><w:p><w:r><w:t>y [</w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:p><w:r><w:t>z</w:t></w:r></w:p></w:tc></w:tr></w:tbl><w:p><w:r><w:t>] w</w:t></w:r></w:p></w:tc>`+
		`<w:tc><w:p><w:r><w:t>q</w:t></w:r></w:p></w:tc></w:tr></w:tbl>`)), "  ", " "))
	assert.Equal(t, "seen", read(docxType, word(t, `<w:p><w:pPr><w:tabs><w:tab/></w:tabs></w:pPr><w:r><w:t>seen</w:t></w:r><w:r><w:instrText> PAGE </w:instrText></w:r>`+
		`<mc:Fallback xmlns:mc="m"><w:r><w:t>twice</w:t></w:r></mc:Fallback></w:p>`)))
	assert.Empty(t, read(pptxType, pack(t, root("p.xml"), part{"p.xml", "<presentation/>"})))
}
