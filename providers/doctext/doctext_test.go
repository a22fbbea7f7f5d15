package doctext

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
)

// The documents of testdata were made by python-docx, openpyxl, odfpy, ReportLab, Chromium and PptxGenJS.
func TestText_Documents(t *testing.T) {
	t.Parallel()
	r := reader(t, nil)
	for name, want := range map[string]string{
		"letter.docx": "Rental agreement – draft\n\nWohnung & Garten\nThe spare key is kept in locker 4711.\nKündigungsfrist: drei Monate\n" +
			"Room\tm²\tRent\nKitchen with window\t12\t240 €\nLine one\nline two\twith tab\nThe deposit is 720 €\n\nNordwind GmbH, confidential",
		"prices.xlsx": "Sheet Preise\nItem\tPrice\tSince\nTee, grün\t3.50\t2025-03-07\n\t\t\t\tfar\ntwo lines\n\nSheet Stock & more\nheliotrope\t25%\tTRUE",
		"slides.pptx": "Slide 1\nOpening hours\nMon–Fri 9–17\nAsk Zoë & Jörg\nNotes: Mention the spare key.\n\nSlide 2\nItem\tPrice\nTea\t3,50 €\nThe code word is heliotrope",
		"minutes.odt": "Protokoll 12\n\nMeeting – Ελληνικά\nThe code   word\tis heliotrope [1] (a plant).\nNext line\nName\tTask\nAda\tNotes & keys\nEnd.\n\nSeite unten",
		"invoice.pdf": "Invoice 2041 for Müller\nTotal: 118.30 EUR\nStraße – 12 €\n\nThe office opens\nat nine and the key\nis in locker 4711.\nParking is behind\nthe house; the code\nword is heliotrope.",
		"page.pdf": "Öffnungszeiten – Ελληνικά\nThe office opens at nine; efficient waffle offers.\nThe spare key is kept in locker 4711. Parking is\nbehind the house.\n" +
			"Item Price\nTea 3,50 €",
	} {
		text, err := r.Text(t.Context(), typeOf(name), bytes.NewReader(file(t, name)))
		require.NoError(t, err, name)
		assert.Equal(t, want, text, name)
	}
}

func TestText_Plain(t *testing.T) {
	t.Parallel()
	r := New(Config{})
	utf16le := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune("Grüße\r\n𝄞")) {
		utf16le = append(utf16le, byte(u), byte(u>>8))
	}
	for _, tc := range []struct{ contentType, in, want string }{
		{"text/plain; charset=utf-8", "one\r\n\r\n\r\ntwo\rthree  \n", "one\n\ntwo\nthree"},
		{"text/plain", "\ufefffirst\x00\x1b[31m", "first[31m"},
		{"text/plain", string(utf16le), "Grüße\n𝄞"},
		{"text/plain", "b\xff\xfer\xc3\xbc", "brü"},
		{"text/markdown", "# A\n\n- b\n    code", "# A\n\n- b\n    code"},
		{"text/csv", "a,b\n\"x, y\",\n", "a,b\n\"x, y\","},
		{"application/json", `{"a": [1, 2]}`, `{"a": [1, 2]}`},
		{"text/plain", "", ""},
	} {
		text, err := r.Text(t.Context(), tc.contentType, strings.NewReader(tc.in))
		require.NoError(t, err)
		assert.Equal(t, tc.want, text)
	}
}

func TestText_CutIsSaid(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ünd ", MaxText)
	for contentType, content := range map[string][]byte{
		"text/plain": []byte(long),
		docxType:     word(t, `<w:p><w:r><w:t>`+long+`</w:t></w:r></w:p>`),
	} {
		text, err := reader(t, nil).Text(t.Context(), contentType, bytes.NewReader(content))
		require.NoError(t, err)
		assert.True(t, strings.HasSuffix(text, "\n"+CutNote))
		assert.Greater(t, len(text), MaxText-100)
		assert.LessOrEqual(t, len(text), MaxText)
		assert.True(t, utf8.ValidString(text))
	}
}

func TestText_UnknownTypes(t *testing.T) {
	t.Parallel()
	for _, contentType := range []string{"", "image/png", "text/html", "application/zip", "application/msword", "nonsense;"} {
		_, err := reader(t, nil).Text(t.Context(), contentType, strings.NewReader("x"))
		require.ErrorIs(t, err, ErrUnsupported, contentType)
		require.ErrorIs(t, err, chatbox.FileType)
	}
	_, err := New(Config{}).Text(t.Context(), pdfType, strings.NewReader("x"))
	require.ErrorIs(t, err, chatbox.Unavailable, "no command")
}

// TestText_ContentFails: a part of a document is never taken for the whole, and the store's failure is not the document's.
func TestText_ContentFails(t *testing.T) {
	t.Parallel()
	for _, contentType := range []string{docxType, "text/plain"} {
		_, err := reader(t, nil).Text(t.Context(), contentType, &failing{1000})
		require.ErrorIs(t, err, errStore)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := reader(t, nil).Text(ctx, docxType, blocked{ctx})
	require.ErrorIs(t, err, context.Canceled)
}
