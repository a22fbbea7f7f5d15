package api

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"unicode"

	"github.com/labstack/echo/v4"

	"chatbox"
	"chatbox/app/files"
	"chatbox/app/history"
)

// transcript writes a whole session: a head, the events page by page, and a tail.
type transcript interface {
	begin(w io.Writer) error
	events(w io.Writer, events []chatbox.Event) error
	end(w io.Writer) error
}

// transcriptRoutes serve whole sessions: exports, and links for people outside.
type transcriptRoutes struct {
	sharing Sharing
	files   SessionFiles // nil: there is no file store
	view    viewer
	edge    *edge
}

func (s *transcriptRoutes) register(e *edge) {
	p := e.cfg.Prefix
	e.echo.GET(p+"/sessions/:id/export", s.exportSession, e.signedIn, e.query, e.exportTurn)
	e.echo.POST(p+"/sessions/:id/share", s.shareSession, e.user)
	e.echo.DELETE(p+"/sessions/:id/share", s.unshareSession, e.user)
	e.echo.GET(p+"/shared/:token", s.shared, e.limitAnonymousRate)
}

// exportSession serves GET /sessions/{id}/export.
func (s *transcriptRoutes) exportSession(c echo.Context) error {
	id, err := sessionParam(c)
	if err != nil {
		return err
	}
	format := c.QueryParam("format")
	switch {
	case format == "" || format == "json" || format == "markdown":
	case s.files == nil:
		return chatbox.Invalid("format", "must be json or markdown")
	case format != "zip":
		return chatbox.Invalid("format", "must be json, markdown or zip")
	}
	sess, pages, err := s.sharing.Export(c.Request().Context(), actorOf(c), id)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	asJSON := &jsonTranscript{view: s.view.message, head: exportHead{
		SessionID: sess.Key.ID, Name: sess.Name, ModelID: sess.State.ModelID, Status: statusOf(sess), HeadSeq: sess.State.Head,
		Unreadable: sess.Unreadable,
	}}
	switch format {
	case "markdown":
		h.Set("Content-Disposition", attachment(sess.Name, ".md"))
		return s.stream(c, "text/markdown; charset=UTF-8", &markdown{session: sess}, pages)
	case "zip":
		h.Set("Content-Disposition", attachment(sess.Name, ".zip"))
		ctx := c.Request().Context()
		return s.stream(c, "application/zip", &archive{
			session: sess, json: asJSON, again: pages,
			content: func(id string) (files.Content, error) { return s.files.InSession(ctx, sess.Key, id) },
			all:     func() ([]chatbox.File, error) { return s.files.OfSession(ctx, sess.Key) },
			report:  func(err error) { s.edge.report(ctx, err, c.Path()) },
		}, pages)
	default:
		h.Set("Content-Disposition", attachment(sess.Name, ".json"))
		return s.stream(c, echo.MIMEApplicationJSON, asJSON, pages)
	}
}

// stream writes a transcript while reading it. An error before the first page is
// answered like any other error. A later error aborts the connection, so that the
// client does not mistake a part for the whole. The door ends the connection of a
// client that reads nothing for a while.
func (s *transcriptRoutes) stream(c echo.Context, kind string, t transcript, pages history.Pages) error {
	w := c.Response()
	begun := false
	step := func(write func(io.Writer) error) {
		if !begun {
			begun = true
			w.Header().Set(echo.HeaderContentType, kind)
			w.WriteHeader(http.StatusOK)
			if t.begin(w) != nil {
				panic(http.ErrAbortHandler)
			}
		}
		if write(w) != nil { // the client may be gone
			panic(http.ErrAbortHandler)
		}
	}
	for events, err := range pages {
		if err != nil && begun {
			s.edge.report(c.Request().Context(), err, c.Path())
			panic(http.ErrAbortHandler)
		}
		if err != nil {
			w.Header().Del("Content-Disposition")
			return err
		}
		step(func(w io.Writer) error { return t.events(w, events) })
	}
	step(t.end)
	return nil
}

// exportHead is the part of an export other than the messages.
type exportHead struct {
	SessionID string `json:"session_id"`
	Name      string `json:"name"`
	ModelID   string `json:"model_id"`
	Status    string `json:"status"`
	HeadSeq   int64  `json:"head_seq"`

	Unreadable bool `json:"unreadable,omitempty"` // refers to the session itself
}

// jsonTranscript is the JSON object head with messages appended as its last
// member.
type jsonTranscript struct {
	head  any
	view  func(chatbox.Event) messageView
	shows func(chatbox.Event) bool // which events to include; nil: all
	some  bool
}

func (t *jsonTranscript) begin(w io.Writer) error {
	var b strings.Builder
	if err := plainJSON(&b, t.head); err != nil {
		return err
	}
	_, err := io.WriteString(w, strings.TrimSuffix(strings.TrimSpace(b.String()), "}")+`,"messages":[`)
	return err
}

func (t *jsonTranscript) events(w io.Writer, events []chatbox.Event) error {
	for _, e := range events {
		if t.shows != nil && !t.shows(e) {
			continue
		}
		if t.some {
			if _, err := io.WriteString(w, ","); err != nil {
				return err
			}
		}
		t.some = true
		if err := plainJSON(w, t.view(e)); err != nil {
			return err
		}
	}
	return nil
}

func (t *jsonTranscript) end(w io.Writer) error {
	_, err := io.WriteString(w, "]}\n")
	return err
}

// plainJSON encodes v without HTML escapes.
func plainJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// maxFileName is the maximum length of a download's file name before the
// extension, in characters.
const maxFileName = 80

// attachment returns the Content-Disposition of a download named after a session
// (RFC 6266): an ASCII name for old clients and the full name for others.
// Characters with a special meaning for file systems or in the header are
// removed.
func attachment(name, ending string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == unicode.ReplacementChar:
			return -1
		case strings.ContainsRune(`/\:*?"<>|`, r):
			return '-'
		}
		return r
	}, name)
	name = strings.Join(strings.Fields(name), " ")
	if r := []rune(name); len(r) > maxFileName {
		name = string(r[:maxFileName])
	}
	if name = strings.Trim(name, ". "); name == "" {
		name = "chat"
	}
	name += ending
	ascii := strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII || r == '%' {
			return '_'
		}
		return r
	}, name)
	var full strings.Builder
	for _, b := range []byte(name) {
		if b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || strings.IndexByte("!#$&+-.^_`|~", b) >= 0 {
			full.WriteByte(b)
		} else {
			const digits = "0123456789ABCDEF"
			full.Write([]byte{'%', digits[b>>4], digits[b&15]})
		}
	}
	return `attachment; filename="` + ascii + `"; filename*=UTF-8''` + full.String()
}
