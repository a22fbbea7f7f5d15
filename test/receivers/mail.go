// Package receivers is what alerts are sent to in tests: a mail server, a
// webhook's receiver and a text-message service on loopback, which keep what
// they took and can be told to misbehave.
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

// Mail is one mail as the server took it.
type Mail struct {
	From string
	To   []string
	Data string // headers and body
	TLS  bool
	User string // who had signed in
}

// MailServer speaks as much SMTP as a client needs. Its fields are set before
// the first connection.
type MailServer struct {
	Cert     *tls.Certificate // offers STARTTLS
	Implicit bool             // TLS from the first byte
	User     string           // wanted, with Password
	Password string
	// Answer, if set, is asked before the nth mail is taken; what it returns,
	// such as "451 later", is said instead. It may block.
	Answer func(nth int) string

	listener net.Listener
	wg       sync.WaitGroup

	mu    sync.Mutex // guards following
	conns map[net.Conn]bool
	tried int
	mails []Mail
}

// Start serves on the address, or any where it is empty, until the test ends.
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

// Stop ends the server and its connections; it may be called again.
func (s *MailServer) Stop() {
	_ = s.listener.Close()
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// Mails are those that were taken.
func (s *MailServer) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.mails...)
}

// Tried counts the mails whose text was sent, taken or not.
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
