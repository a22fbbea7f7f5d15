package doctext

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// plainText reads text as it is, in UTF-8, or in UTF-16 with its mark. It parses
// nothing and reads no more than it returns, so it needs no helper.
func plainText(content io.Reader) (string, error) {
	in := io.LimitReader(transform.NewReader(content, unicode.BOMOverride(unicode.UTF8.NewDecoder())), MaxText)
	text, err := io.ReadAll(in)
	if err != nil {
		return "", fmt.Errorf("doctext: %w", err)
	}
	o := newOutput(MaxText - len(CutNote) - 1)
	err = o.write(string(text))
	if errors.Is(err, errFull) || err == nil && len(text) == MaxText {
		return o.String() + "\n" + CutNote, nil
	}
	return o.String(), err
}
