package kind

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// Bounds of the directory of an office document.
const (
	zipTail    = 22 + 64<<10 // the end record with the longest comment
	zipEntries = 20_000
	zipListing = 768 << 10
)

// ErrZip means that the archive's directory is damaged, or larger than that of
// any document.
var ErrZip = errors.New("the archive is damaged")

// Office returns the content type of the office document in an archive of size
// bytes, or Zip if it is none: the parts that make a document must be there. It
// uncompresses nothing.
func Office(r io.ReaderAt, size int64) (string, error) {
	listing, err := zipDirectory(r, size)
	if err != nil {
		return "", err
	}
	has := map[string]bool{}
	for n := 0; len(listing) >= 46; n++ {
		if n == zipEntries || binary.LittleEndian.Uint32(listing) != 0x02014b50 {
			return "", ErrZip
		}
		name, extra, comment := int(binary.LittleEndian.Uint16(listing[28:])), int(binary.LittleEndian.Uint16(listing[30:])), int(binary.LittleEndian.Uint16(listing[32:]))
		next := 46 + name + extra + comment
		if next > len(listing) {
			return "", ErrZip
		}
		switch s := string(listing[46 : 46+name]); s {
		case "[Content_Types].xml", "_rels/.rels", "word/document.xml", "xl/workbook.xml", "ppt/presentation.xml", "content.xml", "META-INF/manifest.xml":
			has[s] = true
		case "word/vbaProject.bin", "xl/vbaProject.bin", "ppt/vbaProject.bin":
			return Zip, nil // documents with macros are another type
		}
		listing = listing[next:]
	}
	if has["[Content_Types].xml"] && has["_rels/.rels"] {
		for part, contentType := range map[string]string{"word/document.xml": Word, "xl/workbook.xml": Excel, "ppt/presentation.xml": PowerPoint} {
			if has[part] {
				return contentType, nil
			}
		}
	}
	if has["content.xml"] && has["META-INF/manifest.xml"] && beginsWithType(r, size, OpenText) {
		return OpenText, nil
	}
	return Zip, nil
}

// zipDirectory returns the archive's central directory.
func zipDirectory(r io.ReaderAt, size int64) ([]byte, error) {
	tail := make([]byte, min(size, zipTail))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	at := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if at < 0 || len(tail)-at < 22 {
		return nil, ErrZip
	}
	end := tail[at:]
	length, from := int64(binary.LittleEndian.Uint32(end[12:])), int64(binary.LittleEndian.Uint32(end[16:]))
	if length > zipListing || from+length > size {
		return nil, ErrZip
	}
	listing := make([]byte, length)
	if _, err := r.ReadAt(listing, from); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return listing, nil
}

// beginsWithType reports whether the first entry is the uncompressed mimetype
// that OpenDocument prescribes.
func beginsWithType(r io.ReaderAt, size int64, contentType string) bool {
	want := "mimetype" + contentType
	head := make([]byte, min(size, int64(30+len(want))))
	if _, err := r.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	return len(head) == 30+len(want) && string(head[30:]) == want
}
