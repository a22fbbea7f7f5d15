package config

import (
	"errors"
	"fmt"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// readTOML parses a document and returns its tree and the lines of its settings.
// No error quotes the document, which may contain secrets.
func readTOML(b []byte) (map[string]any, map[string][]int, error) {
	lines := tomlLines(b)
	tree := map[string]any{}
	err := toml.Unmarshal(b, &tree)
	if err == nil {
		return tree, lines, nil
	}
	if at, ok := errors.AsType[*toml.DecodeError](err); ok {
		row, column := at.Position()
		return nil, lines, fmt.Errorf(":%d is not valid TOML, at column %d", row, column)
	}
	return nil, lines, errors.New(" is not valid TOML: it defines a table or a key twice")
}

// tomlLines returns the lines of each setting, as far as the document can be
// parsed. It uses the library's unstable parser, whose API may change. Only the
// line numbers in messages depend on it.
func tomlLines(b []byte) map[string][]int {
	lines := map[string][]int{}
	var p unstable.Parser
	p.Reset(b)
	above, tables := "", map[string]int{}
	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.Table:
			name, line := tomlName(&p, "", e.Key())
			if first, again := tables[name]; again {
				lines[name] = []int{first, line}
			}
			above, tables[name] = name, line
		case unstable.ArrayTable:
			above, _ = tomlName(&p, "", e.Key())
		case unstable.KeyValue:
			tomlValue(&p, lines, above, e)
		default: // a comment
		}
	}
	return lines
}

func tomlValue(p *unstable.Parser, into map[string][]int, above string, e *unstable.Node) {
	name, line := tomlName(p, above, e.Key())
	if inObject(name) {
		return
	}
	if v := e.Value(); v.Kind == unstable.InlineTable {
		for it := v.Children(); it.Next(); {
			tomlValue(p, into, name, it.Node())
		}
		return
	}
	into[name] = append(into[name], line)
}

func tomlName(p *unstable.Parser, above string, keys unstable.Iterator) (name string, line int) {
	name = above
	for keys.Next() {
		key := keys.Node()
		name, line = nameOf(name, string(key.Data)), p.Shape(key.Raw).Start.Line
	}
	return name, line
}
