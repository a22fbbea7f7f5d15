package api

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"chatbox"
	"chatbox/app/files"
)

// Files uploads and reads files.
type Files interface {
	Uploads

	// Link returns a link to the file, or to a smaller picture of the width.
	Link(ctx context.Context, a chatbox.Actor, id string, width int) (files.Link, error)
	// Content returns what the link leads to.
	Content(ctx context.Context, l files.Link) (files.Content, error)
	SessionFiles
}

// Uploads stores files.
type Uploads interface {
	// First returns the file of an earlier upload with the idempotency key, or
	// chatbox.NotFound.
	First(ctx context.Context, a chatbox.Actor, key string) (chatbox.File, error)
	// Upload returns when the file is durable. Nothing of a refused or broken
	// upload stays.
	Upload(ctx context.Context, a chatbox.Actor, in files.Incoming) (chatbox.File, error)
	// Discard removes an upload of the caller that no session has used.
	Discard(ctx context.Context, a chatbox.Actor, id string) error
	// Accepts returns the short names of the types that are accepted, and the
	// largest size in bytes.
	Accepts() (types []string, most int64)
}

// fileRoutes serve files. Without a file store they do not exist.
type fileRoutes struct {
	files Files // nil: there is no file store
	view  viewer
	edge  *edge
}

func (s *fileRoutes) register(e *edge) {
	if s.files == nil {
		return
	}
	p := e.cfg.Prefix + "/files"
	e.echo.POST(p, s.upload, e.sender, e.uploadTurn)
	e.echo.GET(p+"/:id", s.link, e.user, e.query)
	e.echo.DELETE(p+"/:id", s.discard, e.user)
	e.echo.GET(p+"/:id/content", s.content)
}

const headerIdempotencyKey = "Idempotency-Key"

// upload serves POST /files: a multipart body with one part, the file.
func (s *fileRoutes) upload(c echo.Context) error {
	r := c.Request()
	key := r.Header.Get(headerIdempotencyKey)
	if key != "" && !chatbox.ValidMessageID(key) {
		return chatbox.Invalid(headerIdempotencyKey, "must be 1-64 of A-Z a-z 0-9 . _ : -")
	}
	first, err := s.files.First(r.Context(), actorOf(c), key)
	if err == nil {
		_, most := s.files.Accepts()
		if _, err := io.Copy(io.Discard, io.LimitReader(r.Body, most+maxFraming)); err != nil {
			return chatbox.Invalid("file", "did not arrive completely")
		}
		return replyAs(c, http.StatusCreated, s.view.file(first.Attached()))
	}
	if !errors.Is(err, chatbox.NotFound) {
		return err
	}
	part, err := openFilePart(r)
	if err != nil {
		return err
	}
	in := files.Incoming{Name: part.name, Size: part.size(), Body: part, Key: key}
	f, err := s.files.Upload(r.Context(), actorOf(c), in)
	if err != nil {
		return err
	}
	return replyAs(c, http.StatusCreated, s.view.file(f.Attached()))
}

// discard serves DELETE /files/{id}.
func (s *fileRoutes) discard(c echo.Context) error {
	if err := s.files.Discard(c.Request().Context(), actorOf(c), c.Param("id")); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// paramWidth is the width in pixels of a smaller picture.
const paramWidth = "w"

type linkView struct {
	URL       string `json:"url"`
	ExpiresAt string `json:"expires_at"`
}

// link serves GET /files/{id}: it redirects to a link, or returns the link to
// clients that prefer JSON.
func (s *fileRoutes) link(c echo.Context) error {
	width, err := intParam(c, paramWidth, 1, files.MaxWidth, 0)
	if err != nil {
		return err
	}
	l, err := s.files.Link(c.Request().Context(), actorOf(c), c.Param("id"), int(width))
	if err != nil {
		return err
	}
	at := s.address(l)
	if wantsJSON(c.Request()) {
		return reply(c, linkView{URL: at, ExpiresAt: stamp(l.Ends)})
	}
	return c.Redirect(http.StatusFound, at)
}

func wantsJSON(r *http.Request) bool {
	for _, accept := range r.Header.Values("Accept") {
		for kind := range strings.SplitSeq(accept, ",") {
			kind, _, _ = strings.Cut(kind, ";")
			if strings.EqualFold(strings.TrimSpace(kind), echo.MIMEApplicationJSON) {
				return true
			}
		}
	}
	return false
}

// Names of a link's parameters.
const (
	paramTenant = "t"
	paramEnds   = "exp"
	paramSig    = "sig"
)

// address encodes a link.
func (s *fileRoutes) address(l files.Link) string {
	return s.view.address(l.File.ID) + "/content?" + parameters(l).Encode()
}

// parameters are those of a link.
func parameters(l files.Link) url.Values {
	q := url.Values{paramEnds: {strconv.FormatInt(l.Ends.Unix(), 10)}, paramSig: {l.Sig}}
	if l.Width > 0 {
		q.Set(paramWidth, strconv.Itoa(l.Width))
	}
	if l.File.Tenant != "" {
		q.Set(paramTenant, base64.RawURLEncoding.EncodeToString([]byte(l.File.Tenant)))
	}
	return q
}

// linkOf decodes a link. One with a part that is malformed, or written in another
// way than by address, becomes a link that no key has signed.
func linkOf(c echo.Context) files.Link {
	l := files.Link{File: chatbox.FileKey{ID: c.Param("id")}, Sig: c.QueryParam(paramSig)}
	ends, err := strconv.ParseInt(c.QueryParam(paramEnds), 10, 64)
	tenant, terr := base64.RawURLEncoding.Strict().DecodeString(c.QueryParam(paramTenant))
	width, werr := 0, error(nil)
	if w := c.QueryParam(paramWidth); w != "" {
		width, werr = strconv.Atoi(w)
	}
	l.File.Tenant, l.Width, l.Ends = string(tenant), width, time.Unix(ends, 0).UTC()
	if errors.Join(err, terr, werr) != nil || width < 0 || !maps.EqualFunc(parameters(l), c.QueryParams(), slices.Equal) {
		l.Sig = ""
	}
	return l
}

// maxRanges is how many ranges of one request are served; more are ignored,
// because each one reads a segment of the store.
const maxRanges = 4

// asksForNone reports whether a range is that of the last 0 bytes, which
// http.ServeContent would answer with an invalid Content-Range.
func asksForNone(given string) bool {
	_, ranges, _ := strings.Cut(given, "=")
	for r := range strings.SplitSeq(ranges, ",") {
		digits, last := strings.CutPrefix(strings.TrimSpace(r), "-")
		if last && digits != "" && strings.Trim(digits, "0") == "" {
			return true
		}
	}
	return false
}

// content serves GET /files/{id}/content to any client that has a valid link.
func (s *fileRoutes) content(c echo.Context) error {
	found, err := s.files.Content(c.Request().Context(), linkOf(c))
	if errors.Is(err, chatbox.PermissionDenied) { // only guesses count as requests without a credential
		return s.edge.limitAnonymousRate(func(echo.Context) error { return err })(c)
	}
	known(c)
	if err != nil {
		return err
	}
	r := c.Request()
	if found.Make != nil {
		if has(r.Header.Values("If-None-Match"), found.ETag) {
			return notModified(c, found)
		}
		if found, err = found.Make(); err != nil {
			return err
		}
	}
	if given := r.Header.Get("Range"); strings.Count(given, ",") >= maxRanges {
		r.Header.Del("Range")
	} else if asksForNone(given) {
		return chatbox.NewError(chatbox.NoSuchRange, "", nil)
	}
	body := &seeker{content: found}
	defer body.close()
	if err := body.begin(); err != nil { // while the response can still tell
		return err
	}
	h := c.Response().Header()
	describe(h, found)
	out := &rangeWriter{ResponseWriter: c.Response()}
	http.ServeContent(out, r, "", time.Time{}, body)
	if c.Response().Committed {
		if body.err != nil { // the client must not take a part for the whole
			s.edge.report(r.Context(), body.err, c.Path())
			panic(http.ErrAbortHandler)
		}
		return nil
	}
	for _, name := range []string{echo.HeaderContentType, "Content-Disposition", "ETag", "Content-Length", "Accept-Ranges"} {
		h.Del(name)
	}
	h.Set("Cache-Control", "no-store")
	if body.err != nil {
		return body.err
	}
	return chatbox.NewError(chatbox.NoSuchRange, "", nil)
}

// describe sets the headers of a content.
func describe(h http.Header, found files.Content) {
	h.Set(echo.HeaderContentType, served(found.ContentType))
	h.Set("Content-Disposition", disposition(found))
	h.Set("Content-Security-Policy", "sandbox")
	h.Set("Cache-Control", "private, no-cache")
	h.Set("ETag", found.ETag)
}

// notModified answers a client that has the content already, without making it.
func notModified(c echo.Context, found files.Content) error {
	h := c.Response().Header()
	describe(h, found)
	h.Del(echo.HeaderContentType) // as http.ServeContent does
	return c.NoContent(http.StatusNotModified)
}

// has reports whether a list of entity tags has the tag.
func has(lists []string, tag string) bool {
	for _, list := range lists {
		for given := range strings.SplitSeq(list, ",") {
			if given = strings.TrimSpace(given); given == "*" || strings.TrimPrefix(given, "W/") == tag {
				return true
			}
		}
	}
	return false
}

// served returns the type in the header; text is UTF-8 unless it says otherwise.
func served(contentType string) string {
	if strings.HasPrefix(contentType, "text/") {
		return contentType + "; charset=utf-8"
	}
	return contentType
}

// disposition shows pictures, sound, video and PDF, and downloads all else.
func disposition(f files.Content) string {
	ending := ""
	name := f.Name
	if at := strings.LastIndexByte(name, '.'); at > 0 && len(name)-at <= 16 {
		name, ending = name[:at], name[at:]
	}
	how := attachment(name, ending)
	for _, shown := range []string{"image/", "audio/", "video/", "application/pdf"} {
		if strings.HasPrefix(f.ContentType, shown) {
			return "inline" + strings.TrimPrefix(how, "attachment")
		}
	}
	return how
}
