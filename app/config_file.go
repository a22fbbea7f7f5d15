package app

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"go.yaml.in/yaml/v3"

	"chatbox/providers/llm"
)

// maxFile is how long a configuration or a secret's file may be, in bytes.
const maxFile = 1 << 20

// gather brings together what the file and the environment say. The
// environment wins, also where one of them names a file for a secret and the
// other gives the secret itself.
func gather(environ []string, file string) (*values, []error) {
	var faults []error
	g := &values{set: map[string]string{}}
	secrets := secretNames()
	if file != "" {
		flat, err := readConfig(file)
		if err != nil {
			faults = append(faults, err)
		}
		faults = append(faults, strangers(flat)...)
		maps.Copy(g.set, flat)
	}
	for _, e := range environ {
		name, v, _ := strings.Cut(e, "=")
		if v == "" {
			continue
		}
		if secret, isFile := strings.CutSuffix(name, "_FILE"); isFile && secrets(secret) {
			delete(g.set, secret)
		} else if secrets(name) {
			delete(g.set, name+"_FILE")
		}
	}
	for _, e := range environ {
		if name, v, _ := strings.Cut(e, "="); v != "" {
			g.set[name] = v
		}
	}
	return g, append(faults, g.readSecrets(secrets)...)
}

// secretNames tells which variables may come from a file of their own.
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

// readSecrets replaces NAME_FILE by what the file holds, less the end of its
// last line.
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
		g.set[plain] = v
	}
	return faults
}

// readConfig reads a file whose keys are the variables, in capitals or nested
// in small letters: jwt: {secret: x} is JWT_SECRET. A list is its entries
// joined by commas.
func readConfig(path string) (map[string]string, error) {
	b, err := readBounded(path)
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	var tree map[string]any
	switch filepath.Ext(path) {
	case ".yaml", ".yml":
		err = yaml.Unmarshal(b, &tree)
	case ".toml":
		err = toml.Unmarshal(b, &tree)
	default:
		return nil, fmt.Errorf("--config: %s is neither a .toml nor a .yaml file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("--config: %s is not valid %s", path, strings.ToUpper(filepath.Ext(path)[1:])) // the cause may quote a secret
	}
	flat := map[string]string{}
	return flat, flattenTree(flat, "", tree)
}

func flattenTree[K comparable](into map[string]string, above string, tree map[K]any) error {
	for key, v := range tree {
		name := strings.ToUpper(strings.ReplaceAll(fmt.Sprint(key), "-", "_"))
		if above != "" {
			name = above + "_" + name
		}
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
		case map[any]any: // some key below is a number
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
			return fmt.Errorf("--config: %s holds something that is no value", name)
		}
	}
	return nil
}

// strangers finds keys of a file that mean nothing: most likely a slip.
func strangers(flat map[string]string) []error {
	known := map[string]bool{}
	note := func(v variable, name string) {
		known[name] = true
		known[v.alias] = true
		if v.secret {
			known[name+"_FILE"] = true
		}
	}
	for _, v := range variables(&Config{}) {
		note(v, v.name)
	}
	g := values{set: flat}
	numbers, _ := g.providers()
	for _, n := range numbers {
		for _, v := range providerVariables(&llm.Provider{}) {
			note(v, providerName(n, v.name))
		}
	}
	var faults []error
	for _, name := range g.names("") {
		if !known[name] && !strings.HasPrefix(name, providerPrefix) {
			faults = append(faults, fault(name, "is not a known variable: see --help"))
		}
	}
	return faults
}

// readBounded reads a file that an operator named.
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
