package api

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"chatbox"
	"chatbox/app/files"
	"chatbox/app/history"
)

// SessionFiles reads the files of sessions.
type SessionFiles interface {
	// InSession returns the content of a file that the session uses.
	// chatbox.NotFound: it does not use it any more, or the file is gone.
	InSession(ctx context.Context, k chatbox.SessionKey, id string) (files.Content, error)
	// OfSession returns the files that the session uses, also those that no event
	// shows.
	OfSession(ctx context.Context, k chatbox.SessionKey) ([]chatbox.File, error)
}

// archive writes a session as a ZIP archive: the conversation as JSON and as
// Markdown, and the contents of its files. Each part is streamed. In memory are
// only the names of the files.
type archive struct {
	session chatbox.Session
	json    *jsonTranscript
	again   history.Pages                          // the same pages, for the second form
	content func(id string) (files.Content, error) // see SessionFiles
	all     func() ([]chatbox.File, error)         // see SessionFiles
	report  func(error)

	zip   *zip.Writer
	open  io.Writer // the entry that is being written
	known map[string]string
	found []archived
}

// archived is a file of an archive.
type archived struct {
	id, path string
	text     bool
	at       time.Time
}

func (a *archive) entry(name string, method uint16, at time.Time) (err error) {
	a.open, err = a.zip.CreateHeader(&zip.FileHeader{Name: name, Method: method, Modified: at})
	return err
}

func (a *archive) begin(w io.Writer) error {
	a.zip, a.known = zip.NewWriter(w), map[string]string{}
	view := a.json.view
	a.json.view = func(e chatbox.Event) messageView {
		m := view(e)
		for i, f := range e.Files {
			m.Files[i].Path = a.known[f.ID]
		}
		return m
	}
	if err := a.entry("conversation.json", zip.Deflate, a.session.CreatedAt); err != nil {
		return err
	}
	return a.json.begin(a.open)
}

func (a *archive) events(_ io.Writer, events []chatbox.Event) error {
	for _, e := range events {
		for _, f := range e.Files {
			a.add(f, e.Time)
		}
	}
	return a.json.events(a.open, events)
}

// add notes a file whose content is written later.
func (a *archive) add(f chatbox.AttachedFile, at time.Time) {
	if _, known := a.known[f.ID]; known {
		return
	}
	path := fmt.Sprintf("files/%d-%s", len(a.found)+1, chatbox.CleanFileName(f.Name))
	text := strings.HasPrefix(f.ContentType, "text/") || f.ContentType == "application/json"
	a.known[f.ID] = path
	a.found = append(a.found, archived{id: f.ID, path: path, text: text, at: at})
}

// addOthers notes the files that no event shows, such as the speech of answers.
func (a *archive) addOthers() error {
	all, err := a.all()
	for _, f := range all {
		a.add(f.Attached(), f.CreatedAt)
	}
	return err
}

func (a *archive) end(io.Writer) error {
	err := a.json.end(a.open)
	if err == nil {
		err = a.markdown()
	}
	if err == nil {
		err = a.addOthers()
	}
	if err == nil {
		err = a.contents()
	}
	if err == nil {
		err = a.zip.Close()
	}
	if _, ours := errors.AsType[*chatbox.Error](err); ours { // otherwise the client is gone
		a.report(err)
	}
	return err
}

func (a *archive) markdown() error {
	if err := a.entry("conversation.md", zip.Deflate, a.session.CreatedAt); err != nil {
		return err
	}
	m := &markdown{session: a.session}
	if err := m.begin(a.open); err != nil {
		return err
	}
	for events, err := range a.again {
		if err == nil {
			err = m.events(a.open, events)
		}
		if err != nil {
			return err
		}
	}
	return m.end(a.open)
}

// contents writes the files. It lists those that cannot be read, or only a part of
// them.
func (a *archive) contents() error {
	var missing strings.Builder
	for _, f := range a.found {
		err := a.copy(f)
		switch {
		case errors.Is(err, chatbox.NotFound):
			fmt.Fprintf(&missing, "%s: the file is gone\n", f.path)
		case errors.Is(err, chatbox.Unreadable):
			fmt.Fprintf(&missing, "%s: the file is damaged\n", f.path)
		case err != nil:
			return err
		}
	}
	if missing.Len() == 0 {
		return nil
	}
	if err := a.entry("missing.txt", zip.Deflate, a.session.CreatedAt); err != nil {
		return err
	}
	_, err := io.WriteString(a.open, missing.String())
	return err
}

func (a *archive) copy(f archived) error {
	found, err := a.content(f.id)
	if err != nil {
		return err
	}
	body, err := found.Open(0)
	if err != nil {
		return err
	}
	defer body.Close()
	method := zip.Store // nearly all types are compressed
	if f.text {
		method = zip.Deflate
	}
	if err := a.entry(f.path, method, f.at); err != nil {
		return err
	}
	_, err = io.Copy(a.open, body)
	return err
}
