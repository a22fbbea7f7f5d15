package persistence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/description"
	"go.mongodb.org/mongo-driver/x/mongo/driver/auth"
	"go.mongodb.org/mongo-driver/x/mongo/driver/topology"

	"chatbox/internal/outage"
	"chatbox/persistence/internal/record"
)

func TestKind(t *testing.T) {
	selecting := func(kind description.TopologyKind, last ...error) error {
		d := description.Topology{Kind: kind}
		for _, err := range last {
			d.Servers = append(d.Servers, description.Server{LastError: err})
		}
		return topology.ServerSelectionError{Desc: d, Wrapped: context.DeadlineExceeded}
	}
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for want, errs := range map[outage.Kind][]error{
		"":                    {nil},
		outage.Refused:        {selecting(0, refused), selecting(0, context.DeadlineExceeded, refused)},
		outage.Unresolved:     {selecting(0, &net.DNSError{Err: "no such host"})},
		outage.Closed:         {selecting(0, topology.ConnectionError{Wrapped: io.EOF})},
		outage.Timeout:        {selecting(0), selecting(0, context.DeadlineExceeded), context.DeadlineExceeded},
		outage.NoPrimary:      {selecting(description.ReplicaSetNoPrimary)},
		outage.Authentication: {&auth.Error{}, mongo.CommandError{Code: 18}, mongo.CommandError{Code: 13, Message: "command ping requires authentication"}},
		outage.Permission:     {mongo.CommandError{Code: 13, Message: "not authorized on chat"}},
		outage.Preparing:      {outage.As(outage.Preparing, errors.New("indexes"))},
		outage.NeedsTLS:       {outage.As(outage.NeedsTLS, selecting(0, io.EOF))},
		outage.Failed:         {mongo.CommandError{Code: 1}},
	} {
		for _, err := range errs {
			if err != nil {
				err = record.Failed("ping", fmt.Errorf("again: %w", err))
			}
			assert.Equal(t, want, Kind(err), "%v", err)
		}
	}
}
