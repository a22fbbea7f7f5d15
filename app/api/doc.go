// Package api is the edge: it maps HTTP and WebSocket requests to use cases. It
// is the only package that knows names on the wire (frame.go, rest.go),
// credentials (auth.go) and how errors are rendered (errors.go).
package api
