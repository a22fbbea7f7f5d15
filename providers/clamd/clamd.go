// Package clamd asks a ClamAV daemon to scan content, by its command INSTREAM.
package clamd

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// Limits of one exchange.
const (
	connectWait = 5 * time.Second
	stepWait    = 60 * time.Second // without progress
	chunk       = 64 << 10
	maxReply    = 4 << 10
)

// Scanner asks the daemon at one address. It is safe for concurrent use; each
// scan has a connection of its own.
type Scanner struct{ network, address string }

// New returns a scanner for host:port or unix:/path.
func New(address string) (*Scanner, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		if !strings.HasPrefix(path, "/") {
			return nil, errors.New("must be host:port or unix:/path")
		}
		return &Scanner{"unix", path}, nil
	}
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return nil, errors.New("must be host:port or unix:/path")
	}
	return &Scanner{"tcp", address}, nil
}

// Scan sends the content and returns the name of what the daemon found in it, or
// "". Every error means that the content was not scanned.
func (s *Scanner) Scan(ctx context.Context, content io.Reader) (string, error) {
	conn, hangUp, err := s.connect(ctx)
	if err != nil {
		return "", err
	}
	defer hangUp()
	sent := send(ctx, conn, content)
	if errors.Is(sent, errContent) {
		return "", sent
	}
	// A daemon that refuses a long stream replies before the stream's end.
	reply, err := receive(ctx, conn)
	if err != nil {
		return "", errors.Join(sent, err)
	}
	return verdict(reply, sent)
}

// Version returns the daemon's version and that of its signatures.
func (s *Scanner) Version(ctx context.Context) (string, error) {
	conn, hangUp, err := s.connect(ctx)
	if err != nil {
		return "", err
	}
	defer hangUp()
	if err := write(ctx, conn, []byte("zVERSION\x00")); err != nil {
		return "", err
	}
	reply, err := receive(ctx, conn)
	if err == nil && !strings.HasPrefix(reply, "ClamAV") {
		err = fmt.Errorf("clamd: the daemon replied %q", reply)
	}
	return reply, err
}

// connect dials the daemon. hangUp closes the connection. Reads and writes fail
// when ctx ends.
func (s *Scanner) connect(ctx context.Context) (conn net.Conn, hangUp func(), err error) {
	dialer := net.Dialer{Timeout: connectWait}
	if conn, err = dialer.DialContext(ctx, s.network, s.address); err != nil {
		return nil, nil, fmt.Errorf("clamd: connect: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // ends with hangUp or with ctx
	return conn, func() {
		stop()
		_ = conn.Close() // the exchange is over
	}, nil
}

var errContent = errors.New("clamd: the content could not be read")

func send(ctx context.Context, conn net.Conn, content io.Reader) error {
	if err := write(ctx, conn, []byte("zINSTREAM\x00")); err != nil {
		return err
	}
	buf := make([]byte, 4+chunk)
	for {
		n, err := io.ReadFull(content, buf[4:])
		if n > 0 {
			binary.BigEndian.PutUint32(buf, uint32(n)) //nolint:gosec // at most a chunk
			if err := write(ctx, conn, buf[:4+n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF) && ended(content):
			return write(ctx, conn, []byte{0, 0, 0, 0})
		case err != nil:
			return fmt.Errorf("%w: %w", errContent, err)
		}
	}
}

// ended reports whether the content is over, rather than broken.
func ended(content io.Reader) bool {
	var b [1]byte
	_, err := content.Read(b[:])
	return errors.Is(err, io.EOF)
}

func write(ctx context.Context, conn net.Conn, p []byte) error {
	if err := deadline(ctx, conn); err != nil {
		return err
	}
	if _, err := conn.Write(p); err != nil {
		return fmt.Errorf("clamd: send: %w", errors.Join(err, context.Cause(ctx)))
	}
	return nil
}

func deadline(ctx context.Context, conn net.Conn) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("clamd: %w", err)
	}
	return conn.SetDeadline(time.Now().Add(stepWait))
}

func receive(ctx context.Context, conn net.Conn) (string, error) {
	if err := deadline(ctx, conn); err != nil {
		return "", err
	}
	reply, err := bufio.NewReader(io.LimitReader(conn, maxReply)).ReadString(0)
	if err != nil {
		return "", fmt.Errorf("clamd: receive: %w", errors.Join(err, context.Cause(ctx)))
	}
	return strings.TrimSuffix(reply, "\x00"), nil
}

func verdict(reply string, sent error) (string, error) {
	said, ok := strings.CutPrefix(reply, "stream: ")
	if ok {
		if name, found := strings.CutSuffix(said, " FOUND"); found {
			return name, nil
		}
		if said == "OK" && sent == nil {
			return "", nil
		}
	}
	return "", errors.Join(sent, fmt.Errorf("clamd: the daemon replied %q", reply))
}
