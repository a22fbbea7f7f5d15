package chatbox

import (
	"errors"
	"strings"
)

// MaxDisclosure is the maximal length of a disclosure, in code points.
const MaxDisclosure = MaxShownText

// CheckDisclosure checks the text that tells users that a model answers them.
func CheckDisclosure(text string) error {
	if err := CheckShownText(text); err != nil {
		return err
	}
	if text != "" && strings.TrimSpace(text) == "" {
		return errors.New("has only white space")
	}
	return nil
}
