package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// progress prints the state of the load until the returned function is called,
// which waits for the printing goroutine. On a terminal it updates a line every
// second; elsewhere it prints a line every ten seconds.
func (l *load) progress(ctx context.Context) (stop func()) {
	every, begin, end := 10*time.Second, "", "\n"
	if terminal(l.out) {
		every, begin, end = time.Second, "\r\x1b[K", ""
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { // started here, stopped and waited for by stop
		defer close(done)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				fmt.Fprint(l.out, begin+l.line()+end)
			case <-ctx.Done():
				if terminal(l.out) {
					fmt.Fprint(l.out, begin+l.line()+"\n")
				}
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// line returns the state of the load as one line.
func (l *load) line() string {
	m, r := l.meter, l.meter.verdict()
	return fmt.Sprintf("%5.0fs sockets %d  sessions %d/%d  sent %d  acked %d  answered %d  frames %d  reconnects %d  errors %d  violations %d",
		time.Since(l.begun).Seconds(), m.sockets.Load(), m.sessions.Load(), l.users*l.sessions, m.sentCount.Load(),
		m.acks.Load(), m.answers.Load(), m.frames.Load(), m.reconnects.Load(), errorsOf(r.ErrorCodes), r.Violations(true))
}

func errorsOf(codes map[string]int) int {
	total := 0
	for _, n := range codes {
		total += n
	}
	return total
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
