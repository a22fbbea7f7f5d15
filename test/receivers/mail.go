// Package receivers provides receivers of alerts for tests: a mail server, a
// webhook receiver and a text-message service on loopback. They store the
// messages that they accept, and tests can make them fail.
package receivers

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"testing"
)

// Mail is one accepted mail.
type Mail struct {
	From string
	To   []string
	Data string // headers and body
	TLS  bool
	User string // the authenticated user
}

// MailServer implements the part of SMTP that a client needs. Set its fields
// before Start.
type MailServer struct {
	Cert     *tls.Certificate // if set, the server offers STARTTLS
	Implicit bool             // the connection uses TLS from the first byte
	User     string           // required together with Password, if set
	Password string
	// Answer, if set, is called for each mail before it is accepted; nth counts from
	// 1. If it returns a reply, such as "451 later", the mail is refused with it.
	// Answer may block.
	Answer func(nth int) string

	listener net.Listener
	wg       sync.WaitGroup

	mu    sync.Mutex // guards following
	conns map[net.Conn]bool
	tried int
	mails []Mail
}

// Start serves until the test ends. An empty addr selects a free port on
// loopback. Start returns the address.
func (s *MailServer) Start(t *testing.T, addr string) string {
	t.Helper()
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s.listener, s.conns = l, map[net.Conn]bool{}
	s.wg.Go(s.accept)
	t.Cleanup(s.Stop)
	return l.Addr().String()
}

// Stop stops the server and closes its connections. It may be called several
// times.
func (s *MailServer) Stop() {
	_ = s.listener.Close()
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// Mails returns the accepted mails.
func (s *MailServer) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.mails...)
}

// Tried returns the number of mails whose text was received, accepted or not.
func (s *MailServer) Tried() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tried
}

func (s *MailServer) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[conn] = true
		s.mu.Unlock()
		s.wg.Go(func() {
			defer func() {
				_ = conn.Close()
				s.mu.Lock()
				delete(s.conns, conn)
				s.mu.Unlock()
			}()
			d := &dialogue{s: s, conn: conn}
			if s.Implicit {
				d.upgrade()
			}
			d.read = bufio.NewReader(d.conn)
			d.run()
		})
	}
}

// dialogue is one connection.
type dialogue struct {
	s    *MailServer
	conn net.Conn
	read *bufio.Reader
	mail Mail
}

func (d *dialogue) say(line string) { _, _ = io.WriteString(d.conn, line+"\r\n") }

func (d *dialogue) upgrade() {
	d.conn = tls.Server(d.conn, &tls.Config{Certificates: []tls.Certificate{*d.s.Cert}, MinVersion: tls.VersionTLS12})
	d.read = bufio.NewReader(d.conn)
	d.mail.TLS = true
}

func (d *dialogue) run() {
	d.say("220 test")
	for {
		line, err := d.read.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb, rest, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "EHLO":
			d.hello()
		case "STARTTLS":
			d.say("220 go on")
			d.upgrade()
		case "AUTH":
			d.auth(rest)
		case "MAIL":
			d.mail.From, d.mail.To = address(rest), nil
			d.say("250 ok")
		case "RCPT":
			d.mail.To = append(d.mail.To, address(rest))
			d.say("250 ok")
		case "DATA":
			d.data()
		case "QUIT":
			d.say("221 bye")
			return
		default:
			d.say("250 ok")
		}
	}
}

func (d *dialogue) hello() {
	d.say("250-test")
	if d.s.Cert != nil && !d.mail.TLS {
		d.say("250-STARTTLS")
	}
	if d.s.User != "" {
		d.say("250-AUTH PLAIN")
	}
	d.say("250 8BITMIME")
}

func (d *dialogue) auth(rest string) {
	_, code, _ := strings.Cut(rest, " ")
	text, _ := base64.StdEncoding.DecodeString(code)
	if string(text) != "\x00"+d.s.User+"\x00"+d.s.Password {
		d.say("535 no")
		return
	}
	d.mail.User = d.s.User
	d.say("235 ok")
}

func (d *dialogue) data() {
	d.say("354 go on")
	b, err := io.ReadAll(textproto.NewReader(d.read).DotReader())
	if err != nil {
		return
	}
	d.s.mu.Lock()
	d.s.tried++
	nth := d.s.tried
	d.s.mu.Unlock()
	if d.s.Answer != nil {
		if answer := d.s.Answer(nth); answer != "" {
			d.say(answer)
			return
		}
	}
	d.mail.Data = string(b)
	d.s.mu.Lock()
	d.s.mails = append(d.s.mails, d.mail)
	d.s.mu.Unlock()
	d.say(fmt.Sprintf("250 taken as %d", nth))
}

func address(s string) string {
	_, s, _ = strings.Cut(s, "<")
	s, _, _ = strings.Cut(s, ">")
	return s
}
