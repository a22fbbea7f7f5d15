package fuzz

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

const header = "go test fuzz v1"

// load adds what the corpus has for the target. An empty dir means no corpus.
// Files whose argument types differ are skipped.
func (r *run) load(dir string, check reflect.Type) error {
	if dir == "" {
		return nil
	}
	r.keep = filepath.Join(dir, r.name)
	files, err := os.ReadDir(r.keep)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read corpus: %w", err)
	}
	rest := len(r.pool)
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(r.keep, file.Name()))
		if err != nil {
			return fmt.Errorf("read corpus: %w", err)
		}
		if input, ok := parse(string(text)); ok && fits(input, check) {
			r.pool = append(r.pool, input)
		}
	}
	slices.SortStableFunc(r.pool[rest:], func(a, b []any) int { return size(a) - size(b) })
	return nil
}

// testdata is where Go looks for seeds.
func testdata(name string) string { return filepath.Join("testdata", "fuzz", name) }

func fits(input []any, check reflect.Type) bool {
	if len(input) != check.NumIn()-1 {
		return false
	}
	for i, v := range input {
		if reflect.TypeOf(v) != check.In(i+1) {
			return false
		}
	}
	return true
}

// add keeps an input that reached something new.
func (r *run) add(tb T, input []any) {
	r.pool = append(r.pool, input)
	r.added++
	if r.keep == "" {
		return
	}
	if _, err := write(r.keep, input); err != nil {
		tb.Fatal(err)
	}
}

// blame makes the input that failed a seed, and says where it is.
func (r *run) blame() string {
	path, err := write(testdata(r.name), r.current)
	if err != nil {
		return fmt.Sprintf("%s (not written: %v)", format(r.current), err)
	}
	return path
}

func write(dir string, input []any) (path string, err error) {
	text := format(input)
	sum := sha256.Sum256([]byte(text))
	path = filepath.Join(dir, hex.EncodeToString(sum[:8]))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make corpus: %w", err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return "", fmt.Errorf("write input: %w", err)
	}
	return path, nil
}

// format writes an input as a file of Go's corpus.
func format(input []any) string {
	var b strings.Builder
	b.WriteString(header + "\n")
	for _, v := range input {
		switch v := v.(type) {
		case string:
			fmt.Fprintf(&b, "string(%q)\n", v)
		case []byte:
			fmt.Fprintf(&b, "[]byte(%q)\n", v)
		default:
			fmt.Fprintf(&b, "%T(%v)\n", v, v)
		}
	}
	return b.String()
}

// parse reads what format writes.
func parse(text string) (input []any, ok bool) {
	first, rest, _ := strings.Cut(text, "\n")
	if strings.TrimSpace(first) != header {
		return nil, false
	}
	for line := range strings.Lines(rest) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		v, ok := parseValue(line)
		if !ok {
			return nil, false
		}
		input = append(input, v)
	}
	return input, true
}

func parseValue(line string) (v any, ok bool) {
	expression, err := parser.ParseExpr(line)
	if err != nil {
		return nil, false
	}
	call, ok := expression.(*ast.CallExpr)
	if !ok || len(call.Args) != 1 {
		return nil, false
	}
	kind, literal, _ := strings.Cut(strings.TrimSuffix(line, ")"), "(")
	switch kind {
	case "string":
		v, err = strconv.Unquote(literal)
	case "[]byte":
		var s string
		s, err = strconv.Unquote(literal)
		v = []byte(s)
	case "int":
		v, err = strconv.Atoi(literal)
	default:
		return nil, false
	}
	return v, err == nil
}
