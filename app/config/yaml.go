package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// readYAML parses a document and returns its tree and the lines of its settings.
// No error quotes the document, which may contain secrets.
func readYAML(b []byte) (map[string]any, map[string][]int, error) {
	var doc, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(b))
	err := d.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF):
		return nil, nil, nil
	case err != nil:
		return nil, nil, yamlFault(b, err)
	}
	if err := d.Decode(&more); err == nil {
		return nil, nil, fmt.Errorf(":%d begins a second YAML document, and only one is read", more.Line)
	} else if !errors.Is(err, io.EOF) {
		return nil, nil, yamlFault(b, err)
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return nil, nil, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, nil, fmt.Errorf(":%d is not valid YAML for settings: it must be NAME: value", root.Line)
	}
	lines := map[string][]int{}
	yamlLines(lines, "", root, maxDepth)
	asWritten(root, "", maxDepth)
	tree := map[string]any{}
	if err := root.Decode(&tree); err != nil {
		return nil, lines, yamlFault(b, err)
	}
	return tree, lines, nil
}

// maxDepth bounds the nesting of settings, since aliases can nest without end.
const maxDepth = 10

// yamlLines collects the lines of each setting. A key that occurs twice in a
// mapping gets two lines, regardless of its value.
func yamlLines(into map[string][]int, above string, n *yaml.Node, depth int) {
	seen := map[string]int{} // lines
	for i := 0; i+1 < len(n.Content) && depth > 0; i += 2 {
		key, v := n.Content[i], n.Content[i+1]
		name := nameOf(above, key.Value)
		if v.Kind == yaml.AliasNode {
			v = v.Alias
		}
		switch first, again := seen[name]; {
		case key.Tag == "!!merge": // merged keys never override keys that are present
			continue
		case again && len(into[name]) == 0: // the first occurrence is a mapping
			into[name] = []int{first, key.Line}
		case !again && v.Kind == yaml.MappingNode && !objectSetting(name):
			yamlLines(into, name, v, depth-1)
		default:
			into[name] = append(into[name], key.Line)
		}
		seen[name] = key.Line
	}
}

// asWritten changes numbers and dates to strings. A secret of digits, a code with
// a leading 0 and a date thus stay as they were written.
func asWritten(n *yaml.Node, above string, depth int) {
	for i, c := range n.Content {
		name := above
		if n.Kind == yaml.MappingNode {
			name = nameOf(above, n.Content[i-i%2].Value)
		}
		switch {
		case depth == 0, objectSetting(name):
		case c.Kind == yaml.ScalarNode:
			switch c.ShortTag() {
			case "!!int", "!!float", "!!timestamp":
				c.Tag = "!!str"
			}
		default:
			asWritten(c, name, depth-1)
		}
	}
}

// yamlFault returns an error with the line of the fault. It includes the
// library's message only if the message does not quote the document.
func yamlFault(b []byte, err error) error {
	at := faultyLine(b)
	for _, known := range []string{
		"mapping values are not allowed in this context", "could not find expected ':'", "did not find expected key", "did not find expected '-' indicator",
		"did not find expected ',' or ']'", "did not find expected ',' or '}'", "did not find expected node content", "found character that cannot start any token",
		"found unexpected end of stream", "found unknown escape character", "block sequence entries are not allowed in this context",
		"found a tab character that violates indentation", "control characters are not allowed", "found unexpected document indicator",
	} {
		if strings.Contains(err.Error(), known) {
			return fmt.Errorf("%s is not valid YAML: %s", at, known)
		}
	}
	if strings.Contains(err.Error(), "unknown anchor") {
		return fmt.Errorf("%s is not valid YAML: a value that begins with * must stand in quotes", at)
	}
	return fmt.Errorf("%s is not valid YAML", at)
}

// mostLines is the maximum length of a document whose faulty line is searched
// for.
const mostLines = 2000

// faultyLine returns the line after the longest prefix of the document that can
// be parsed. The library reports the line of the surrounding element instead,
// less one.
func faultyLine(b []byte) string {
	lines := bytes.SplitAfter(b, []byte("\n"))
	if len(lines) > mostLines {
		return ""
	}
	end := len(b)
	for n := len(lines); n > 0; n-- {
		end -= len(lines[n-1])
		var beginning yaml.Node
		if yaml.Unmarshal(b[:end], &beginning) == nil {
			return fmt.Sprintf(":%d", n)
		}
	}
	return ""
}
