package vendorapi

import (
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
)

// transportFailure converts an error of the connection to a failure with a text
// of this package, since errors of net/http quote the remote side. It returns the
// ends of streams and contexts as io.EOF, io.ErrUnexpectedEOF, context.Canceled
// or context.DeadlineExceeded.
func transportFailure(err error) error {
	for _, kept := range []error{io.EOF, io.ErrUnexpectedEOF, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, kept) {
			return kept
		}
	}
	if f, ok := errors.AsType[*Failure](err); ok {
		return f
	}
	return &Failure{Text: describe(err), Why: ReasonConnection, Permanent: misconfigured(err)}
}

// describe returns a text for an error's type. It contains texts of the operating
// system and names from the configuration, but no text from the remote side.
func describe(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // without the URL
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return "the name of the endpoint's host cannot be resolved: " + dnsCause(dns)
	}
	if cert, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the endpoint's certificate is not accepted: " + certificateCause(cert)
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		if op, ok := errors.AsType[*net.OpError](err); ok {
			return op.Op + " " + op.Net + ": " + errno.Error()
		}
		return errno.Error()
	}
	for _, known := range []struct {
		is   error
		text string
	}{
		{http.ErrSchemeMismatch, "the endpoint speaks HTTP and was addressed by HTTPS"},
		{http.ErrServerClosed, "the connection was closed"},
		{net.ErrClosed, "the connection was closed"},
		{errStreamTooLong, errStreamTooLong.Error()},
		{gzip.ErrHeader, notDecompressed},
		{gzip.ErrChecksum, notDecompressed},
		{zlib.ErrHeader, notDecompressed},
		{zlib.ErrChecksum, notDecompressed},
		{zlib.ErrDictionary, notDecompressed},
	} {
		if errors.Is(err, known.is) {
			return known.text
		}
	}
	if _, ok := errors.AsType[flate.CorruptInputError](err); ok {
		return notDecompressed
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "the endpoint does not speak TLS"
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return "the TLS handshake failed"
	}
	if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() {
		return "the connection timed out"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op + " " + op.Net + ": failed"
	}
	return "the connection broke off, or what came is not HTTP"
}

const notDecompressed = "the answer cannot be decompressed"

func dnsCause(err *net.DNSError) string {
	switch {
	case err.IsNotFound:
		return "no such host"
	case err.IsTimeout:
		return "timeout"
	default:
		return "the name server failed"
	}
}

// certificateCause omits the names in the certificate, since the remote side
// wrote them.
func certificateCause(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "its authority is not known"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "it is for another host"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return "it has expired or is not valid yet"
	}
	return "it is not valid"
}
