package speech

import (
	"context"
	"errors"
	"io"
	"time"

	"chatbox"
)

// errOther ends the sound of a listener if another pod has stored the speech first.
// The vendor speaks a text differently each time, so the listener cannot continue
// with the stored sound. A listener gets this error only if memory does not have its
// next byte any more.
var errOther = errors.New("another pod has stored this speech first")

// listener reads a speech while it is made: from memory, or from the store once it
// is stored. It belongs to one goroutine.
type listener struct {
	s      *Service
	m      *making
	ctx    context.Context //nolint:containedctx // of the one request that listens
	user   chatbox.UserKey // who listens
	at     int64
	stored io.ReadCloser
}

// begun waits until the sound begins, or fails.
func (l *listener) begun() error {
	for {
		total, over, changed, err := l.m.state()
		if total > 0 || over {
			return err
		}
		if err := l.wait(changed); err != nil {
			return err
		}
	}
}

// wait waits for the next change of the making.
func (l *listener) wait(changed <-chan struct{}) error {
	quiet := time.NewTimer(l.s.cfg.Quiet)
	defer quiet.Stop()
	select {
	case <-changed:
		return nil
	case <-quiet.C:
		return errStuck()
	case <-l.ctx.Done():
		return context.Cause(l.ctx)
	}
}

// Read returns io.EOF only after the speech was stored.
func (l *listener) Read(p []byte) (int, error) {
	for l.stored == nil {
		n, changed, err := l.read(p)
		if n > 0 || err != nil {
			l.at += int64(n)
			return n, err
		}
		if changed == nil {
			err = l.open()
		} else {
			err = l.wait(changed)
		}
		if err != nil {
			return 0, err
		}
	}
	return l.stored.Read(p)
}

// open opens the rest of the stored speech.
func (l *listener) open() error {
	rest, err := within(l.ctx, l.s, l.user, func() (stored, error) {
		return l.s.open(l.ctx, l.m.session, l.m.file.Key.ID, l.at)
	}, stored.close)
	if err == nil {
		l.stored = rest
	}
	return err
}

// read copies from memory. If there is nothing to copy, it returns the channel that
// is closed by the next change, or none if the rest is in the store.
func (l *listener) read(p []byte) (n int, changed <-chan struct{}, err error) {
	m := l.m
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.over && m.err != nil:
		return 0, nil, m.err
	case m.over && l.at == m.total && m.total > 0:
		return 0, nil, io.EOF
	case m.ring != nil && m.total-l.at <= window && l.at < m.total:
		at := l.at % window
		return copy(p, m.ring[at:min(window, at+m.total-l.at)]), nil, nil
	case m.over && m.other && l.at > 0:
		return 0, nil, errOther
	case m.over:
		return 0, nil, nil
	default:
		return 0, m.changed, nil
	}
}

// Close ends the reading, not the speech.
func (l *listener) Close() error {
	if l.stored == nil {
		return nil
	}
	return l.stored.Close()
}
