package config

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"chatbox/providers/llm"
)

// Print writes every variable with its value and the origin of the value. Secrets
// are redacted. It returns the faults that Load finds, or the error of w.
func Print(w io.Writer, environ []string, file string) error {
	given, _ := gather(environ, file)
	rows := variables(&Config{})
	numbers, _ := given.providers()
	for _, n := range numbers {
		for _, v := range providerVariables(&llm.Provider{}) {
			v.name = providerName(n, v.name)
			rows = append(rows, v)
		}
	}
	var b strings.Builder
	for _, v := range rows {
		value, from := given.shown(v)
		fmt.Fprintf(&b, "%-40s # %s\n", v.name+"="+value, from)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return err
	}
	c, err := Load(environ, file)
	for _, warning := range c.Warnings {
		if _, werr := fmt.Fprintln(w, "# warning: "+warning); werr != nil {
			return cmp.Or(err, werr)
		}
	}
	return err
}

// shown returns a variable's value without secrets, and the origin of the value.
func (g *values) shown(v variable) (value, from string) {
	switch {
	case g.has(v.name):
		value, from = readable(v, g.get(v.name)), g.from[v.name]
	case v.alias != "" && g.has(v.alias):
		value, from = g.get(v.alias), g.from[v.alias]+", "+v.alias
	case v.def != "":
		value, from = v.def, "default"
	case v.name == "POD_ID":
		host, _ := os.Hostname()
		value, from = host, "the host's name"
	default:
		from = "not set"
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		value = strconv.Quote(value)
	}
	return value, from
}

// redacted is printed instead of a secret.
const redacted = "(redacted)"

// readable returns a setting's value without secrets. A secret is redacted
// completely, a URL loses its user, password and query.
func readable(v variable, value string) string {
	address := v.name == "REDIS_URL" || v.name == "MONGO_URI"
	switch {
	case v.secret && !address:
		return redacted
	case address || strings.Contains(value, "://") && strings.ContainsAny(value, "@?"):
		return readableURL(value)
	default:
		return value
	}
}

// readableURL redacts user, password and query. It redacts the whole URL if the
// position of the secret is uncertain.
func readableURL(value string) string {
	scheme, rest, isURL := strings.Cut(value, "://")
	rest, query, hasQuery := strings.Cut(rest, "?")
	_, host, hasUser := strings.Cut(rest, "@")
	if !hasUser {
		host = rest
	}
	plain := regexp.MustCompile(`^[a-z][a-z0-9+.-]*$`).MatchString(scheme)
	if !isURL || !plain || strings.ContainsAny(host+query, "@#") {
		return redacted
	}
	out := scheme + "://"
	if hasUser {
		out += redacted + "@"
	}
	if out += host; hasQuery {
		out += "?" + redacted
	}
	return out
}
