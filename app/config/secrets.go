package config

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"chatbox/providers/llm"
)

// leastHidden is the length in bytes of the shortest text that Secrets returns.
// To redact shorter ones would garble every message.
const leastHidden = 4

// Secrets returns the texts of the settings that no output may contain, the
// longest first: values of secret variables, and of addresses the passwords and
// the parameters. Settings with faults are included.
func Secrets(environ []string, file string) []string {
	given, _ := gather(environ, file)
	var all []string
	add := func(v variable) {
		if value := given.get(v.name); v.secret && value != "" {
			all = append(all, secretParts(value)...)
		}
	}
	for _, v := range variables(&Config{}) {
		add(v)
	}
	numbers, _ := given.providers()
	for _, n := range numbers {
		for _, v := range providerVariables(&llm.Provider{}) {
			v.name = providerName(n, v.name)
			add(v)
		}
	}
	all = slices.DeleteFunc(all, func(s string) bool { return len(s) < leastHidden })
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(all)
}

// secretParts returns a value and the pieces of it that are secret on their own.
func secretParts(value string) []string {
	parts := []string{value}
	if scheme, rest, isURL := strings.Cut(value, "://"); isURL && ofDatabase(scheme) {
		return append(parts, addressParts(scheme, rest)...) // its commas are between hosts
	}
	for _, field := range strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) }) {
		if scheme, rest, isURL := strings.Cut(field, "://"); isURL && scheme != "" {
			parts = append(parts, addressParts(scheme, rest)...)
			continue
		}
		if strings.ContainsAny(field, "\"{}") {
			continue // of a JSON object, whose words follow
		}
		parts = append(parts, field)
		if _, key, named := strings.Cut(field, ":"); named { // an entry of ENCRYPTION_KEYS, or a header
			parts = append(parts, key)
		}
	}
	// A header's value may be quoted, and follow the name of its scheme.
	for _, word := range regexp.MustCompile(`[^\s",:{}]+`).FindAllString(value, -1) {
		if len(word) >= 2*leastHidden && !strings.Contains(value, "://") {
			parts = append(parts, word)
		}
	}
	return parts
}

// addressParts returns the secret pieces of an address without its scheme: user
// with password, and parameters. Of a database's address the path is shown, and of
// its parameters the passwords only are secret. A path elsewhere may hold a token.
// Hosts are shown.
func addressParts(scheme, rest string) []string {
	var parts []string
	add := func(s string) {
		parts = append(parts, s)
		if plain, err := url.PathUnescape(s); err == nil && plain != s {
			parts = append(parts, plain)
		}
	}
	database := ofDatabase(scheme)
	rest, query, _ := strings.Cut(rest, "?")
	for pair := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
		name, v, _ := strings.Cut(pair, "=")
		name = strings.ToLower(name)
		if strings.Contains(name, "password") || strings.Contains(name, "properties") || !database && len(v) >= 2*leastHidden {
			add(v)
		}
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		_, password, _ := strings.Cut(rest[:at], ":")
		add(rest[:at])
		add(password)
		rest = rest[at+1:]
	}
	if _, path, _ := strings.Cut(rest, "/"); !database {
		for segment := range strings.SplitSeq(path, "/") {
			if len(segment) >= 2*leastHidden {
				add(segment)
			}
		}
	}
	return parts
}

func ofDatabase(scheme string) bool {
	return strings.HasPrefix(scheme, "redis") || strings.HasPrefix(scheme, "mongodb")
}
