package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"

	"chatbox"
)

// listen opens a listener of the pod. variable names the setting of its address.
// It returns a *chatbox.UnfitError if the address cannot be listened on here,
// however often the pod is restarted.
func listen(ctx context.Context, variable, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err == nil {
		return l, nil
	}
	err = fmt.Errorf("%s: %w", variable, err)
	if ctx.Err() == nil && !mayPass(err) {
		return nil, &chatbox.UnfitError{Reason: err.Error()}
	}
	return nil, err
}

// mayPass reports whether another attempt to listen may succeed: another process
// has the port, the machine lacks a resource, or the DNS does not answer. All
// other causes are in the address: a host that does not exist or belongs to
// another machine, a port that only root may open.
func mayPass(err error) bool {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return !dns.IsNotFound
	}
	return slices.ContainsFunc([]error{
		syscall.EADDRINUSE, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EINTR,
	}, func(cause error) bool { return errors.Is(err, cause) })
}
