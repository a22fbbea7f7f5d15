package app

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
)

func unfit(err error) bool {
	_, is := errors.AsType[*chatbox.UnfitError](err)
	return is
}

func TestListen_APortInUseMayBecomeFree(t *testing.T) {
	first, err := listen(t.Context(), "LISTEN_ADDR", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = first.Close() }()
	_, err = listen(t.Context(), "LISTEN_ADDR", first.Addr().String())
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.ErrorContains(t, err, "LISTEN_ADDR")
	assert.False(t, unfit(err), "the process that has it may be about to end")
}

func TestListen_AnAddressOfAnotherMachineIsAFaultOfTheSetting(t *testing.T) {
	for _, addr := range []string{"203.0.113.1:0", "[2001:db8::1]:0", "[fe80::1%nosuch0]:0"} {
		_, err := listen(t.Context(), "LISTEN_ADDR", addr)
		require.ErrorContains(t, err, "LISTEN_ADDR")
		assert.True(t, unfit(err), "%s: %v", addr, err)
	}
}

func TestListen_APodThatIsStoppedMeanwhileIsNotAtFault(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := listen(ctx, "LISTEN_ADDR", "name.invalid:0")
	require.Error(t, err)
	assert.False(t, unfit(err))
}

func TestMayPass(t *testing.T) {
	of := func(err error) error { return &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", err)} }
	for _, err := range []error{
		of(syscall.EADDRINUSE), of(syscall.EMFILE), of(syscall.ENOBUFS),
		&net.OpError{Op: "listen", Err: &net.DNSError{Err: "server misbehaving", IsTemporary: true}},
		&net.OpError{Op: "listen", Err: &net.DNSError{Err: "i/o timeout", IsTimeout: true}},
	} {
		assert.True(t, mayPass(err), "%v", err)
	}
	for _, err := range []error{
		of(syscall.EADDRNOTAVAIL), of(syscall.EACCES), of(syscall.EAFNOSUPPORT), of(syscall.EINVAL),
		&net.OpError{Op: "listen", Err: &net.DNSError{Err: "no such host", IsNotFound: true}},
		&net.OpError{Op: "listen", Err: &net.AddrError{Err: "invalid port"}},
	} {
		assert.False(t, mayPass(err), "%v", err)
	}
}
