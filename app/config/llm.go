package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"chatbox/providers/llm"
)

// loadProviders reads the LLM_PROVIDER_<n>_… variables. Models are offered in the
// order of their numbers, which may have gaps.
func (c *Config) loadProviders(g *values) []error {
	var faults []error
	numbers, strays := g.providers()
	for _, name := range strays {
		if f := g.unknown(name, "is not a known variable"+newNames().suggestion(name)); f != nil {
			faults = append(faults, f)
		}
	}
	for _, n := range numbers {
		var p llm.Provider
		for _, v := range providerVariables(&p) {
			v.name = providerName(n, v.name)
			faults = append(faults, g.apply(v)...)
		}
		faults = append(faults, c.checkProvider(n, p)...)
		c.LLM.Providers = append(c.LLM.Providers, p)
	}
	for _, err := range flatten(c.LLM.Validate()) {
		if err := named(err, numbers); err != nil {
			faults = append(faults, err)
		}
	}
	return faults
}

// providers returns the numbers of the configured models, and the names that
// begin like a model's variable but are not known.
func (g *values) providers() (numbers []int, strays []string) {
	known := map[string]bool{}
	for _, v := range providerVariables(&llm.Provider{}) {
		known[v.name] = true
	}
	for _, name := range g.names(providerPrefix) {
		digits, suffix, _ := strings.Cut(strings.TrimPrefix(name, providerPrefix), "_")
		n, err := strconv.Atoi(digits)
		if err != nil || n < 1 || !known[suffix] {
			strays = append(strays, name)
			continue
		}
		if !slices.Contains(numbers, n) {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, strays
}

// named replaces the position of a provider in a fault from llm.Config.Validate
// by the name of its variable. It returns nil if the fault was reported before.
func named(err error, numbers []int) error {
	if err == nil {
		return nil
	}
	text := strings.TrimPrefix(err.Error(), "llm: ")
	var fields []string
	for _, v := range providerVariables(&llm.Provider{}) {
		fields = append(fields, v.name)
	}
	place := regexp.MustCompile(`^provider (\d+) \(".*?"\): (?:(` + strings.Join(fields, "|") + `)\b:? ?)?(.*)$`)
	m := place.FindStringSubmatch(text)
	switch {
	case m != nil:
		i, _ := strconv.Atoi(m[1])
		if i < 1 || i > len(numbers) {
			return err
		}
		field := m[2]
		if field == "" {
			field = "ID"
		}
		return fault(providerName(numbers[i-1], field), m[3])
	case strings.HasPrefix(text, "no provider"):
		return fault(providerName(1, "TYPE"), "is required: no model is configured")
	case strings.HasPrefix(text, "default "):
		return fault("LLM_DEFAULT", "is none of the configured IDs")
	case strings.HasPrefix(text, "fallback "):
		return fault("LLM_FALLBACK", "is none of the configured IDs")
	case strings.Contains(text, "timeout must"):
		return nil // the variable of the timeout has been reported already
	default:
		return fmt.Errorf("%s: %w", providerName(1, "TYPE"), err)
	}
}
