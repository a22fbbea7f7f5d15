// Package detach waits for work that may hang, for as long as the caller likes.
package detach

import (
	"context"
	"fmt"
)

// Do runs f in a goroutine of its own and returns its result. If ctx ends first, Do
// returns the cause of ctx, and f continues until it returns. A panic of f becomes an
// error, which has the type of the panic's value and not the value.
func Do[T any](ctx context.Context, f func() (T, error)) (T, error) { //nolint:ireturn // callers choose structs
	return DoOrDrop(ctx, f, func(T) {})
}

// DoOrDrop is Do for results that must be released. If ctx ends first and f then
// returns a value without an error, drop gets the value.
func DoOrDrop[T any](ctx context.Context, f func() (T, error), drop func(T)) (T, error) { //nolint:ireturn // callers choose structs
	type result struct {
		value T
		err   error
	}
	// Without a buffer a result is either received or dropped.
	ended, left := make(chan result), make(chan struct{})
	go func() { // ends with f
		var r result
		defer func() {
			select {
			case ended <- r:
			case <-left:
				if r.err == nil {
					drop(r.value)
				}
			}
		}()
		defer func() {
			if p := recover(); p != nil {
				r.err = fmt.Errorf("panicked: %T", p)
			}
		}()
		r.value, r.err = f()
	}()
	select {
	case r := <-ended:
		return r.value, r.err
	case <-ctx.Done():
		close(left)
		var none T
		return none, context.Cause(ctx)
	}
}
