package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"chatbox/providers/llm"
)

// unknownVariable says whether unknown variables that resemble a setting are
// refused.
const unknownVariable = "CHATBOX_UNKNOWN_VARIABLES"

// names holds all variables that a pod reads. The number of a model is written as
// 0.
type names struct {
	settings map[string]bool // the value says whether NAME_FILE may provide the setting
}

func newNames() names {
	n := names{map[string]bool{}}
	for _, v := range variables(&Config{}) {
		n.settings[v.name] = v.secret
		if v.alias != "" {
			n.settings[v.alias] = false
		}
	}
	for _, v := range providerVariables(&llm.Provider{}) {
		n.settings[providerName(0, v.name)] = v.secret
	}
	return n
}

// numbered replaces every number in a name by 0.
func numbered(name string) string {
	return regexp.MustCompile(`[0-9]+`).ReplaceAllString(name, "0")
}

// has reports whether a pod reads the variable.
func (n names) has(name string) bool {
	if strings.HasPrefix(name, providerPrefix) {
		name = numbered(name)
	}
	if _, ok := n.settings[name]; ok {
		return true
	}
	plain, isFile := strings.CutSuffix(name, "_FILE")
	return isFile && n.settings[plain]
}

// suggestion returns a hint such as ": is RATE_LIMIT meant?", or "" if no known
// name is similar.
func (n names) suggestion(name string) string {
	best, near := "", 4
	given := numbered(strings.ToUpper(name))
	for known, secret := range n.settings {
		candidates := []string{known}
		if secret {
			candidates = append(candidates, known+"_FILE")
		}
		for _, c := range candidates {
			if d := distance(given, c); d < near || d == near && c < best {
				best, near = c, d
			}
		}
	}
	if best == "" {
		return ""
	}
	if digits := regexp.MustCompile(`[0-9]+`).FindString(name); digits != "" {
		best = strings.Replace(best, "0", digits, 1)
	}
	return ": is " + strings.Replace(best, "_0_", "_1_", 1) + " meant?"
}

// checkNames returns a fault for each variable of the environment that resembles
// a setting but is unknown. It ignores other unknown variables, because the
// environment is shared with the shell, the orchestrator and other programs.
func (g *values) checkNames(environ []string) []error {
	known := newNames()
	var faults []error
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		if known.has(name) || strings.HasPrefix(name, providerPrefix) { // loadProviders checks the variables of models
			continue
		}
		var why string
		switch plain, isFile := strings.CutSuffix(name, "_FILE"); {
		case isFile && known.has(plain):
			why = "is not a known variable: " + plain + " is no secret and cannot come from a file"
		case known.resembles(name, g.has):
			why = "is not a known variable" + known.suggestion(name)
		default:
			continue
		}
		if f := g.unknown(name, why); f != nil {
			faults = append(faults, f)
		}
	}
	return faults
}

// unknown returns the fault of an unknown variable. It returns nil if unknown
// variables are allowed.
func (g *values) unknown(name, why string) error {
	if g.get(unknownVariable) == "allow" && g.from[name] == fromEnvironment {
		g.passedOver = append(g.passedOver, name)
		return nil
	}
	if g.from[name] == fromEnvironment {
		why += " (" + unknownVariable + "=allow passes over it)"
	}
	return fault(name, why)
}

// resembles reports whether the variable was most likely meant for a pod.
func (n names) resembles(name string, given func(string) bool) bool {
	switch name {
	case "MONGO_URL", "MONGODB_URL", "MONGODB_URI": // names that other programs use for the same setting
		return !given("MONGO_URI")
	case "REDIS_URI":
		return !given("REDIS_URL")
	case "MAIL_FROM", "LOGLEVEL", "LOGFORMAT": // belong to other programs
		return false
	}
	if strings.HasPrefix(name, "CHATBOX_") {
		return !isTooling(name)
	}
	upper := strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	if upper != name { // the variable is in lower case, like the shell's http_proxy
		return n.has(upper)
	}
	upper = numbered(upper)
	for known, secret := range n.settings {
		if slipOf(upper, known) || secret && slipOf(upper, known+"_FILE") {
			return true
		}
	}
	return false
}

// isTooling reports whether a variable belongs to this repository's scripts and
// tests.
func isTooling(name string) bool {
	return strings.HasPrefix(name, "CHATBOX_TEST_") ||
		slices.Contains([]string{"CHATBOX_CACHE", "CHATBOX_OUT", "CHATBOX_VERSION", "CHATBOX_EMBEDDED_CHILD_FILE"}, name)
}

// isServiceLink reports whether Kubernetes or an old Docker set the variable for
// a service. A service named smtp, for example, causes
// SMTP_PORT=tcp://10.0.0.7:25, which is not a setting.
func isServiceLink(name, value string) bool {
	if regexp.MustCompile(`_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$|_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$`).MatchString(name) {
		return true
	}
	return strings.HasSuffix(name, "_PORT") && regexp.MustCompile(`^(tcp|udp|sctp)://[^/]+:[0-9]+$`).MatchString(value)
}

// doubtful returns the unknown variables whose prefix only a pod's settings use,
// although no known name is similar.
func (n names) doubtful(g *values) []string {
	var found []string
	for name, from := range g.from {
		family := slices.ContainsFunc([]string{"JWT_", "LLM_", "DRAIN_", "ENCRYPTION_KEY_", "WS_ALLOWED_", "RATE_LIMIT_", "MAX_CONNECTIONS_"}, func(p string) bool {
			return strings.HasPrefix(name, p)
		})
		if from == fromEnvironment && family && !n.has(name) && !strings.HasPrefix(name, providerPrefix) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// passed returns a warning for each unknown variable that was ignored.
func (g *values) passed() []string {
	var warnings []string
	for _, name := range slices.Sorted(slices.Values(append(newNames().doubtful(g), g.passedOver...))) {
		if len(warnings) == 0 || !strings.HasPrefix(warnings[len(warnings)-1], name+" ") {
			warnings = append(warnings, fmt.Sprintf("%s is set and has no effect: it is not a known variable", name))
		}
	}
	return warnings
}
