package conversation

import (
	"context"

	"chatbox"
)

// Audit is the append-only record of what staff did. A use case that is audited
// calls Record before it acts and does nothing where that fails: an entry may
// stand for an act that then failed, an act without an entry there is none.
type Audit interface {
	// Record appends to the chain of the actor's tenant and returns when the
	// entry is durable. Safe to repeat; each call is an entry.
	Record(ctx context.Context, actor chatbox.Actor, action chatbox.AuditAction, about chatbox.AuditSubject) error
}

// AuditLog is the whole of it: what was recorded can be read and verified, and
// people in it can be made unknown, but nothing can be changed.
type AuditLog interface {
	Audit
	// Entries pages through a tenant's log, newest first, and looks at a
	// bounded number of entries. chatbox.InvalidArgument names a cursor that
	// is not one of ours.
	Entries(ctx context.Context, q chatbox.AuditQuery) (chatbox.AuditPage, error)
	// Verify walks along the whole chain: an entry that was altered, removed
	// or put in by somebody without a key is found. Its cost is the chain's.
	Verify(ctx context.Context, tenant string) (chatbox.AuditVerdict, error)
	// Forget deletes the key by which a person's pseudonym can be told. The
	// chain stays as it is. Idempotent.
	Forget(ctx context.Context, u chatbox.UserKey) error
}
