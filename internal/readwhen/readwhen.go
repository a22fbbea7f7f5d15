// Package readwhen lets the consumer of a stream say when its source should be read
// again, so that several small events are read at once.
package readwhen

import (
	"context"
	"io"
)

type key struct{}

// With returns a context whose Reader calls wait before each read. wait returns
// when ctx ends at the latest.
func With(ctx context.Context, wait func(ctx context.Context)) context.Context {
	return context.WithValue(ctx, key{}, wait)
}

// Reader returns r, or a reader that waits as the context says.
func Reader(ctx context.Context, r io.ReadCloser) io.ReadCloser {
	wait, ok := ctx.Value(key{}).(func(context.Context))
	if !ok {
		return r
	}
	return &reader{ReadCloser: r, ctx: ctx, wait: wait}
}

type reader struct {
	io.ReadCloser

	ctx  context.Context //nolint:containedctx // of the one request whose body this is
	wait func(context.Context)
}

// Read waits and reads.
func (r *reader) Read(p []byte) (int, error) {
	r.wait(r.ctx)
	return r.ReadCloser.Read(p)
}
