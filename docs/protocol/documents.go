// Package protocol holds what the pod says of its own interface: OpenAPI for
// requests, AsyncAPI for the socket's frames. Tests hold both against what pods
// really send.
package protocol

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

// The documents as they are kept, with the default prefix.
var (
	//go:embed openapi.yaml
	openAPI string
	//go:embed asyncapi.yaml
	asyncAPI string
)

// Where the documents say what the prefix is.
const (
	openAPIServer  = "  - url: /chatbox\n"
	asyncAPIServer = "    pathname: /chatbox\n"
)

// Document is one of the two, in both forms.
type Document struct {
	YAML, JSON []byte
}

// OpenAPI describes the requests of a pod whose routes begin with prefix, which
// is empty or begins with a slash.
func OpenAPI(prefix string) (Document, error) {
	return document(openAPI, openAPIServer, prefix)
}

// AsyncAPI describes the frames of its socket.
func AsyncAPI(prefix string) (Document, error) {
	return document(asyncAPI, asyncAPIServer, prefix)
}

// made keeps the documents by their server's line and prefix: reading one takes longer
// than everything else that a pod does at its start.
var made sync.Map //nolint:gochecknoglobals // a cache of what never changes; of [2]string to Document

func document(text, server, prefix string) (Document, error) {
	of := [2]string{server, prefix}
	if d, ok := made.Load(of); ok {
		return d.(Document), nil //nolint:forcetypeassert // nothing else is stored
	}
	d, err := render(text, server, prefix)
	if err == nil {
		made.Store(of, d)
	}
	return d, err
}

func render(text, server, prefix string) (Document, error) {
	line, _, ok := strings.Cut(server, "/")
	if !ok || strings.Count(text, server) != 1 {
		return Document{}, errors.New("protocol: the document does not say where its routes begin")
	}
	at, err := json.Marshal(prefix) // a YAML string as well
	if prefix == "" {
		at, err = []byte(`"/"`), nil
	}
	if err != nil {
		return Document{}, fmt.Errorf("protocol: %w", err)
	}
	text = strings.Replace(text, server, line+string(at)+"\n", 1)
	var tree any
	if err := yaml.Unmarshal([]byte(text), &tree); err != nil {
		return Document{}, fmt.Errorf("protocol: %w", err)
	}
	b, err := json.Marshal(tree)
	if err != nil {
		return Document{}, fmt.Errorf("protocol: %w", err)
	}
	return Document{YAML: []byte(text), JSON: b}, nil
}
