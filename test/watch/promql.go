package watch

import (
	"regexp"
	"slices"
	"strings"
)

// Use is what an expression of PromQL uses.
type Use struct {
	Matched map[string][]string // metrics, with the labels that are compared
	Named   []string            // labels in by, on and similar clauses
}

var (
	literals   = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	clauses    = regexp.MustCompile(`\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
	ranges     = regexp.MustCompile(`\[[^\]]*\]|\boffset\s+\w+|#[^\n]*`)
	matchers   = regexp.MustCompile(`([a-zA-Z_:][\w:]*)\s*\{([^}]*)\}`)
	compared   = regexp.MustCompile(`([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)`)
	identifier = regexp.MustCompile(`([a-zA-Z_:][\w:]*)\s*(\(?)`)
	noMetric   = regexp.MustCompile(`(?i)^(?:and|or|unless|bool|inf|nan|e\d+)$`) // e6 is the end of 4e6
)

// Uses finds the metrics and labels of an expression. It is no parser: promtool
// says whether the expression is valid (scripts/check-rules.sh).
func Uses(expr string) Use {
	u := Use{Matched: map[string][]string{}}
	expr = ranges.ReplaceAllString(literals.ReplaceAllString(PromQL(expr), `""`), " ")
	for _, m := range clauses.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(m[1], ",") {
			if label = strings.TrimSpace(label); label != "" {
				u.Named = append(u.Named, label)
			}
		}
	}
	expr = clauses.ReplaceAllString(expr, " ")
	for _, m := range matchers.FindAllStringSubmatch(expr, -1) {
		for _, l := range compared.FindAllStringSubmatch(m[2], -1) {
			u.Matched[m[1]] = append(u.Matched[m[1]], l[1])
		}
	}
	for _, m := range identifier.FindAllStringSubmatch(matchers.ReplaceAllString(expr, "$1 "), -1) {
		if name := m[1]; m[2] == "" && !noMetric.MatchString(name) {
			u.Matched[name] = slices.Clip(u.Matched[name]) // the labels that were found before, or none
		}
	}
	return u
}
