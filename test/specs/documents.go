// Package specs checks pods against the OpenAPI and AsyncAPI documents that they
// serve. The documents must describe every response and every frame that a test
// receives.
package specs

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"chatbox/docs/protocol"
)

// prefix is the prefix of every route in tests.
const prefix = "/chatbox"

// operation is one method of an OpenAPI path.
type operation struct {
	Method, Path string
	Query, Body  []string // names of the query parameters and of the members of the JSON body
	match        *regexp.Regexp
	literal      bool                                  // the path has no parameters
	kinds        map[int]map[string]*jsonschema.Schema // by status and media type
}

// statuses returns the documented statuses in ascending order.
func (o *operation) statuses() []int {
	var out []int
	for s := range o.kinds {
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

// message is one type of AsyncAPI frame.
type message struct {
	Name, Type string
	Golden     []string
	schema     *jsonschema.Schema
}

// Documents holds both compiled documents. It is immutable and safe for
// concurrent use.
type Documents struct {
	Operations  []*operation
	Client      []*message // what clients send
	Server      []*message // what pods send
	RESTCodes   []string
	FrameCodes  []string
	AnswerCodes []string
	failure     *jsonschema.Schema // schema of the body of every refused request
}

// Load reads and compiles the documents once, as a pod serves them. It returns an
// error if a reference has no target or a schema is invalid.
func Load() (*Documents, error) { return loaded() }

var loaded = sync.OnceValues(compile) //nolint:gochecknoglobals // nobody changes it

func compile() (*Documents, error) {
	d := &Documents{}
	if err := d.loadOpenAPI(); err != nil {
		return nil, fmt.Errorf("openapi: %w", err)
	}
	if err := d.loadAsyncAPI(); err != nil {
		return nil, fmt.Errorf("asyncapi: %w", err)
	}
	return d, nil
}

// tree is a document with a compiler for its schemas.
type tree struct {
	root     map[string]any
	compiler *jsonschema.Compiler
	url      string
}

func newTree(name string, describe func(string) (protocol.Document, error)) (*tree, error) {
	doc, err := describe(prefix)
	if err != nil {
		return nil, err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc.JSON))
	if err != nil {
		return nil, err
	}
	root, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s is no object", name)
	}
	t := &tree{root: root, compiler: jsonschema.NewCompiler(), url: "https://chatbox.test/" + name}
	t.compiler.DefaultDraft(jsonschema.Draft2020)
	if err := t.compiler.AddResource(t.url, root); err != nil {
		return nil, err
	}
	return t, t.resolveAll("#", root)
}

// at returns the value at a pointer such as #/components/schemas/Session, and
// whether it exists.
func (t *tree) at(pointer string) (any, bool) {
	var v any = t.root
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "#/"), "/") {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		switch in := v.(type) {
		case map[string]any:
			next, ok := in[part]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(in) {
				return nil, false
			}
			v = in[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// resolveAll returns an error if a reference in v has no target.
func (t *tree) resolveAll(where string, v any) error {
	switch v := v.(type) {
	case map[string]any:
		for name, below := range v {
			if to, ok := below.(string); ok && name == "$ref" {
				if _, there := t.at(to); !there {
					return fmt.Errorf("%s refers to %s, which is not there", where, to)
				}
			}
			if err := t.resolveAll(where+"/"+escape(name), below); err != nil {
				return err
			}
		}
	case []any:
		for i, below := range v {
			if err := t.resolveAll(where+"/"+strconv.Itoa(i), below); err != nil {
				return err
			}
		}
	}
	return nil
}

// object returns the object at the pointer and its location. It follows
// references.
func (t *tree) object(pointer string) (obj map[string]any, where string) {
	for {
		v, _ := t.at(pointer)
		obj, _ = v.(map[string]any)
		to, refers := obj["$ref"].(string)
		if !refers {
			return obj, pointer
		}
		pointer = to
	}
}

func (t *tree) compile(pointer string) (*jsonschema.Schema, error) {
	return t.compiler.Compile(t.url + pointer)
}

func (t *tree) texts(pointer string) []string {
	v, _ := t.at(pointer)
	list, _ := v.([]any)
	var out []string
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func escape(part string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(part) }

// methods returns the HTTP methods that pods serve, in lower case.
func methods() []string { return []string{"get", "post", "put", "patch", "delete"} }

func (d *Documents) loadOpenAPI() error {
	t, err := newTree("openapi.json", protocol.OpenAPI)
	if err != nil {
		return err
	}
	if v, _ := t.root["openapi"].(string); !strings.HasPrefix(v, "3.1.") {
		return fmt.Errorf("it is of version %q", v)
	}
	paths, _ := t.object("#/paths")
	for path := range paths {
		for _, method := range methods() {
			at := "#/paths/" + escape(path) + "/" + method
			if _, there := t.at(at); !there {
				continue
			}
			op, err := t.operation(at, strings.ToUpper(method), path)
			if err != nil {
				return fmt.Errorf("%s %s: %w", method, path, err)
			}
			d.Operations = append(d.Operations, op)
		}
	}
	slices.SortFunc(d.Operations, func(a, b *operation) int {
		return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
	})
	d.RESTCodes = t.texts("#/components/schemas/ErrorCode/enum")
	schemas, _ := t.object("#/components/schemas")
	for name := range schemas { // includes schemas that no response refers to
		if _, err := t.compile("#/components/schemas/" + name); err != nil {
			return err
		}
	}
	d.failure, err = t.compile("#/components/schemas/Error")
	return err
}

var parameter = regexp.MustCompile(`\{[a-z_]+\}`)

func (t *tree) operation(at, method, path string) (*operation, error) {
	op := &operation{Method: method, Path: path, literal: !parameter.MatchString(path), kinds: map[int]map[string]*jsonschema.Schema{}}
	var pattern strings.Builder
	rest := path
	for _, p := range parameter.FindAllString(path, -1) {
		before, after, _ := strings.Cut(rest, p)
		pattern.WriteString(regexp.QuoteMeta(before) + "[^/]+")
		rest = after
	}
	op.match = regexp.MustCompile("^" + pattern.String() + regexp.QuoteMeta(rest) + "$")
	op.Query, op.Body = t.queryNames(at), t.bodyNames(at)
	responses, _ := t.object(at + "/responses")
	for code := range responses {
		status, err := strconv.Atoi(code)
		if err != nil {
			return nil, fmt.Errorf("status %q", code)
		}
		resp, where := t.object(at + "/responses/" + code)
		if resp["description"] == nil {
			return nil, fmt.Errorf("status %s has no description", code)
		}
		op.kinds[status] = map[string]*jsonschema.Schema{}
		content, _ := t.object(where + "/content")
		for kind := range content {
			if op.kinds[status][kind], err = t.compile(where + "/content/" + escape(kind) + "/schema"); err != nil {
				return nil, err
			}
		}
	}
	return op, nil
}

// queryNames returns the names of an operation's query parameters.
func (t *tree) queryNames(at string) []string {
	var names []string
	list, _ := t.at(at + "/parameters")
	params, _ := list.([]any)
	for i := range params {
		p, _ := t.object(at + "/parameters/" + strconv.Itoa(i))
		if name, ok := p["name"].(string); ok && p["in"] == "query" {
			names = append(names, name)
		}
	}
	return names
}

// bodyNames returns the sorted names of the members of an operation's JSON body.
func (t *tree) bodyNames(at string) []string {
	var names []string
	_, where := t.object(at + "/requestBody")
	_, where = t.object(where + "/content/" + escape("application/json") + "/schema")
	members, _ := t.object(where + "/properties")
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (d *Documents) loadAsyncAPI() error {
	t, err := newTree("asyncapi.json", protocol.AsyncAPI)
	if err != nil {
		return err
	}
	if v, _ := t.root["asyncapi"].(string); !strings.HasPrefix(v, "3.0.") {
		return fmt.Errorf("it is of version %q", v)
	}
	for op, into := range map[string]*[]*message{"fromClient": &d.Client, "fromServer": &d.Server} {
		list, _ := t.at("#/operations/" + op + "/messages")
		refs, _ := list.([]any)
		for i := range refs {
			obj, where := t.object(fmt.Sprintf("#/operations/%s/messages/%d", op, i))
			schema, err := t.compile(where + "/payload")
			if err != nil {
				return err
			}
			m := &message{Name: where[strings.LastIndexByte(where, '/')+1:], schema: schema, Golden: t.texts(where + "/x-golden")}
			m.Type, _ = obj["name"].(string)
			*into = append(*into, m)
		}
	}
	schemas, _ := t.object("#/components/schemas")
	for name := range schemas {
		if _, err := t.compile("#/components/schemas/" + name); err != nil {
			return err
		}
	}
	d.FrameCodes = t.texts("#/components/schemas/FrameErrorCode/enum")
	d.AnswerCodes = t.texts("#/components/schemas/AnswerErrorCode/enum")
	return nil
}
