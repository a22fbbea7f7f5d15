// Package protocol contains the specifications of the pod's interface: OpenAPI
// for requests and AsyncAPI for the socket's frames. Tests compare both with the
// responses and frames of real pods.
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

// The specifications with the default prefix.
var (
	//go:embed openapi.yaml
	openAPI string
	//go:embed asyncapi.yaml
	asyncAPI string
)

// The lines of the documents that contain the prefix.
const (
	openAPIServer  = "  - url: /chatbox\n"
	asyncAPIServer = "    pathname: /chatbox\n"
)

// Document is a specification as YAML and as JSON.
type Document struct {
	YAML, JSON []byte
}

// OpenAPI returns the specification of the requests. prefix is the prefix of the
// pod's routes; it is empty or begins with a slash.
func OpenAPI(prefix string) (Document, error) {
	return document(openAPI, openAPIServer, prefix)
}

// AsyncAPI returns the specification of the socket's frames. See OpenAPI for
// prefix.
func AsyncAPI(prefix string) (Document, error) {
	return document(asyncAPI, asyncAPIServer, prefix)
}

// made caches the documents by their server line and prefix, since rendering one
// takes longer than the rest of a pod's start.
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
	at, err := json.Marshal(prefix) // valid as a YAML string too
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
