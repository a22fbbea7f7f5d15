package config

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"chatbox/providers/llm"
)

// maxFile is the maximum size of a configuration file or a secret's file in
// bytes.
const maxFile = 1 << 20

// configVariable names the configuration file unless --config does.
const configVariable = "CHATBOX_CONFIG"

// gather merges the settings of the file and of the environment. The environment
// wins, also if one of them names a secret's file and the other contains the
// secret.
func gather(environ []string, file string) (*values, []error) {
	g := &values{set: map[string]string{}, from: map[string]string{}}
	environ = slices.DeleteFunc(slices.Clone(environ), func(e string) bool {
		name, v, _ := strings.Cut(e, "=")
		return v == "" || isServiceLink(name, v)
	})
	var faults []error
	if file == "" {
		file = lookUp(environ, configVariable)
	}
	if g.fileRead = file == ""; !g.fileRead {
		faults = append(faults, g.readConfig(file)...)
	}
	secrets := secretNames()
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		if secret, isFile := strings.CutSuffix(name, "_FILE"); isFile && secrets(secret) {
			delete(g.set, secret)
		} else if secrets(name) {
			delete(g.set, name+"_FILE")
		}
	}
	for _, e := range environ {
		name, v, _ := strings.Cut(e, "=")
		g.set[name], g.from[name] = v, fromEnvironment
	}
	faults = append(faults, g.readSecrets(secrets)...)
	return g, append(faults, g.checkNames(environ)...)
}

// fromEnvironment is the origin of a value from the environment.
const fromEnvironment = "environment"

// lookUp returns the value of a variable. If the variable occurs several times,
// the last value counts.
func lookUp(environ []string, name string) string {
	var found string
	for _, e := range environ {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			found = v
		}
	}
	return found
}

// secretNames returns a function that reports whether a variable may come from a
// file of its own.
func secretNames() func(name string) bool {
	plain, models := map[string]bool{}, map[string]bool{}
	for _, v := range variables(&Config{}) {
		plain[v.name] = v.secret
	}
	for _, v := range providerVariables(&llm.Provider{}) {
		models[v.name] = v.secret
	}
	return func(name string) bool {
		if rest, ok := strings.CutPrefix(name, providerPrefix); ok {
			_, suffix, _ := strings.Cut(rest, "_")
			return models[suffix]
		}
		return plain[name]
	}
}

// readSecrets replaces each NAME_FILE by the content of the file, without
// trailing line ends.
func (g *values) readSecrets(secret func(string) bool) []error {
	var faults []error
	for _, name := range g.names("") {
		plain, ok := strings.CutSuffix(name, "_FILE")
		if !ok || !secret(plain) {
			continue
		}
		path := g.set[name]
		delete(g.set, name)
		if g.has(plain) {
			faults = append(faults, fault(plain, "is given twice: itself and as "+name))
			continue
		}
		b, err := readBounded(path)
		if err != nil {
			faults = append(faults, fault(name, err.Error()))
			continue
		}
		v := strings.TrimRight(string(b), "\r\n")
		if v == "" {
			faults = append(faults, fault(name, "names an empty file"))
		}
		g.set[plain], g.from[plain] = v, name+" "+path
	}
	return faults
}

// readConfig reads a configuration file. Its keys are names of variables, either
// in capitals or nested in lower case: jwt: {secret: x} is JWT_SECRET. A list
// stands for its entries joined by commas.
func (g *values) readConfig(path string) []error {
	b, err := readBounded(path)
	if err != nil {
		return []error{fmt.Errorf("--config: %s %w", path, err)}
	}
	var tree map[string]any
	var lines map[string][]int
	switch filepath.Ext(path) {
	case ".yaml", ".yml":
		tree, lines, err = readYAML(b)
	case ".toml":
		tree, lines, err = readTOML(b)
	default:
		return []error{fmt.Errorf("--config: %s is neither a .toml nor a .yaml file", path)}
	}
	faults := twice(path, lines)
	if len(faults) > 0 {
		return faults // a repeated setting has no defined value
	}
	if err != nil {
		return []error{fmt.Errorf("--config: %s%w", path, err)}
	}
	flat := map[string]string{}
	if err := flattenTree(flat, "", tree); err != nil {
		return []error{err}
	}
	for name, v := range flat {
		g.set[name], g.from[name] = v, path+lineOf(lines, name)
	}
	g.fileRead = true
	return unknownKeys(flat, g.from)
}

// twice returns a fault for each setting that the file contains more than once,
// in nested or in flat form.
func twice(path string, lines map[string][]int) []error {
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		if at := lines[name]; len(at) > 1 {
			faults = append(faults, fault(name, fmt.Sprintf("is given twice in %s, lines %d and %d", path, at[0], at[1])))
		}
	}
	for _, v := range variables(&Config{}) {
		if here, there := lines[v.name], lines[v.alias]; v.alias != "" && len(here) > 0 && len(there) > 0 {
			faults = append(faults, fault(v.alias, fmt.Sprintf("says the same as %s in %s, lines %d and %d", v.name, path, there[0], here[0])))
		}
	}
	return faults
}

// lineOf returns ":12" if the setting is on line 12. For a table it returns the
// first line, and for an unknown setting "".
func lineOf(lines map[string][]int, name string) string {
	first := 0
	for key, at := range lines {
		if (key == name || strings.HasPrefix(key, name+"_")) && len(at) > 0 && (first == 0 || at[0] < first) {
			first = at[0]
		}
	}
	if first == 0 {
		return ""
	}
	return fmt.Sprintf(":%d", first)
}

// nameOf returns the name of the variable for a key nested below another.
func nameOf(above, key string) string {
	name := strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
	if above != "" {
		name = above + "_" + name
	}
	return name
}

func flattenTree[K comparable](into map[string]string, above string, tree map[K]any) error {
	for key, v := range tree {
		name := nameOf(above, fmt.Sprint(key))
		if kind := reflect.ValueOf(v).Kind(); kind == reflect.Map && objectSetting(name) {
			text, err := object(v)
			if err != nil {
				return fmt.Errorf("--config: %s %w", name, err)
			}
			into[name] = text
			continue
		}
		switch v := v.(type) {
		case map[string]any:
			if err := flattenTree(into, name, v); err != nil {
				return err
			}
		case map[any]any: // a key inside is a number
			if err := flattenTree(into, name, v); err != nil {
				return err
			}
		case []any:
			parts := make([]string, 0, len(v))
			for _, e := range v {
				parts = append(parts, fmt.Sprint(e))
			}
			into[name] = strings.Join(parts, ",")
		case nil:
		case string, bool, int, int64, uint64, float64:
			into[name] = fmt.Sprint(v)
		default:
			return fmt.Errorf("--config: %s has an entry that is not a value", name)
		}
	}
	return nil
}

// unknownKeys returns a fault for each unknown key of a file. The keys of models
// are checked by loadProviders.
func unknownKeys(flat, from map[string]string) []error {
	known := newNames()
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(flat)) {
		if flat[name] == "" || known.has(name) && name != configVariable || strings.HasPrefix(name, providerPrefix) {
			continue
		}
		why := "is not a known variable" + known.suggestion(name) + ", in " + from[name]
		if name == configVariable {
			why = "cannot be set in the file that it names"
		}
		faults = append(faults, fault(name, why))
	}
	return faults
}

// readBounded reads a file of at most maxFile bytes. It returns an error if the
// file is longer.
func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // naming a file is the variable's purpose
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot be read: %w", err)
	case len(b) > maxFile:
		return nil, errors.New("is longer than 1 MiB")
	}
	return b, nil
}
