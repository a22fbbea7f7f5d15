package outage

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// Kind is why a dependency cannot be used. The set is closed. No kind contains
// an address or a secret, since readiness shows kinds to its callers.
type Kind string

// The kinds.
const (
	Refused        Kind = "connection refused"
	Timeout        Kind = "no answer in time"
	Unresolved     Kind = "host name not found"
	Unreachable    Kind = "host not reachable"
	Closed         Kind = "connection closed by the server"
	NotTLS         Kind = "the server does not speak TLS"
	NeedsTLS       Kind = "the server may require TLS"
	Handshake      Kind = "no TLS handshake"
	Certificate    Kind = "certificate not accepted"
	Authentication Kind = "authentication failed"
	Permission     Kind = "permission denied"
	ReadOnly       Kind = "read-only replica"
	NoPrimary      Kind = "no primary"
	Memory         Kind = "out of memory"
	Disk           Kind = "cannot save to disk"
	ReadOnlyFile   Kind = "read-only file"
	Replicas       Kind = "too few replicas"
	Loading        Kind = "still loading"
	ClusterDown    Kind = "cluster down"
	Eviction       Kind = "wrong eviction policy"
	Version        Kind = "server version too old"
	Command        Kind = "command not available"
	Database       Kind = "no such database"
	NotCluster     Kind = "not a Redis Cluster"
	NotSentinel    Kind = "not a sentinel"
	Deaf           Kind = "own messages not received"
	NameTaken      Kind = "POD_ID in use by another pod"
	OtherRedis     Kind = "Redis differs from that of other pods"
	Clock          Kind = "clock differs from Redis and other pods"
	Full           Kind = "too many connections"
	Draining       Kind = "draining"
	Preparing      Kind = "still preparing"
	Failed         Kind = "request failed"
)

// caused is an error with a kind set by its creator.
type caused struct {
	error

	kind Kind
}

func (c caused) Unwrap() error { return c.error }

// As sets an error's kind; nil stays nil.
func As(kind Kind, err error) error {
	if err == nil {
		return nil
	}
	return caused{err, kind}
}

// Given returns the kind set by As; "" if there is none.
func Given(err error) Kind {
	if c, ok := errors.AsType[caused](err); ok {
		return c.kind
	}
	return ""
}

// KindOf returns the kind set by As, or else one derived from errors of the
// network and TLS. It returns Failed if nothing is known and "" for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	if k := Given(err); k != "" {
		return k
	}
	if k := tlsKind(err); k != "" {
		return k
	}
	if d, ok := errors.AsType[*net.DNSError](err); ok && !d.IsTimeout {
		return Unresolved
	}
	for _, is := range []struct {
		target error
		kind   Kind
	}{
		{syscall.ECONNREFUSED, Refused},
		{syscall.EHOSTUNREACH, Unreachable},
		{syscall.ENETUNREACH, Unreachable},
		{syscall.ECONNRESET, Closed},
		{syscall.EPIPE, Closed},
		{io.EOF, Closed},
		{io.ErrUnexpectedEOF, Closed},
		{context.DeadlineExceeded, Timeout},
		{os.ErrDeadlineExceeded, Timeout},
	} {
		if errors.Is(err, is.target) {
			return is.kind
		}
	}
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		return Timeout
	}
	return Failed
}

func tlsKind(err error) Kind {
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return NotTLS
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return Certificate
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return Certificate
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return Certificate
	}
	if _, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return Certificate
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" { // an alert
		if strings.Contains(op.Error(), "certificate") {
			return Certificate
		}
		return Handshake
	}
	return ""
}
