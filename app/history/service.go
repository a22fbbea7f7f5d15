// Package history reads sessions: pages and whole sessions for their owners
// and for anyone with a link, and lists, figures and the audit log for staff.
package history

import (
	"log/slog"

	"chatbox/app/sessionlog"
)

// Deps are what a Service works through; all of it is required.
type Deps struct {
	Log         *sessionlog.Log
	Messages    sessionlog.Reader
	Sessions    Sessions
	Latest      Latest
	Shares      Shares
	Overview    Overview
	Concurrency Concurrency
	Audit       AuditLog
	Turns       Turns
	Logger      *slog.Logger
}

// Service reads sessions. It is safe for concurrent use.
type Service struct {
	deps Deps
	log  *sessionlog.Log
}

// New makes a service.
func New(d Deps) *Service { return &Service{deps: d, log: d.Log} }
