package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// redacted is printed in place of a secret.
const redacted = "[redacted]"

// redact removes the secrets from the findings. Nothing should have put them
// there; this is the second line of defence. The longest secret comes first.
func redact(all []Finding, secrets []string) {
	pairs := make([]string, 0, 2*len(secrets))
	for _, s := range secrets {
		pairs = append(pairs, s, redacted)
	}
	hide := strings.NewReplacer(pairs...)
	for i := range all {
		all[i].Name, all[i].Text = line(hide.Replace(all[i].Name)), line(hide.Replace(all[i].Text))
	}
}

// line makes one line of a text.
func line(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, ""), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}

// Print writes one line for each finding: its level, its name and what to do.
func Print(w io.Writer, all []Finding) error {
	var b strings.Builder
	for _, f := range all {
		fmt.Fprintf(&b, "%s %s: %s\n", f.Level, f.Name, f.Text)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// PrintJSON writes the findings as one JSON object: "ok" says that there is no
// failure, and "findings" has the level, the name and the text of each.
func PrintJSON(w io.Writer, all []Finding) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		OK       bool      `json:"ok"`
		Findings []Finding `json:"findings"`
	}{!Failed(all), all})
}
