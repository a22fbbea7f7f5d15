// Package api is the edge: HTTP and WebSocket in, use cases out. It is the only
// place that knows names on the wire (frame.go, rest.go), credentials (auth.go)
// and how failures are shown (errors.go).
package api
