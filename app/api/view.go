package api

import (
	"cmp"
	"time"

	"chatbox"
)

// viewer renders events and files. It makes the addresses of uploaded files.
type viewer struct {
	prefix string // of every route
}

// fileView is the schema File of docs/protocol/openapi.yaml. A share has only its
// name and type.
type fileView struct {
	ID          string `json:"file_id,omitempty"`
	URL         string `json:"file_url,omitempty"`
	Name        string `json:"filename"`
	ContentType string `json:"content_type"`
	Size        int64  `json:"size,omitempty"` // no file is empty
	Width       int    `json:"width,omitempty"`
	Height      int    `json:"height,omitempty"`
	DurationMS  int64  `json:"duration_ms,omitempty"`
	Path        string `json:"path,omitempty"` // of the content, in an archive
}

func (v viewer) file(f chatbox.AttachedFile) fileView {
	return fileView{
		ID: f.ID, URL: v.address(f.ID), Name: f.Name, ContentType: f.ContentType, Size: f.Size,
		Width: f.Width, Height: f.Height, DurationMS: int64(f.Duration / time.Millisecond),
	}
}

func (v viewer) address(id string) string { return v.prefix + "/files/" + id }

// files renders an event's files; nil where it has none.
func (v viewer) files(e chatbox.Event) []fileView {
	if len(e.Files) == 0 {
		return nil
	}
	return views(e.Files, v.file)
}

// fileURL returns the address of the event's one file: of an uploaded file, or of
// one elsewhere.
func (v viewer) fileURL(e chatbox.Event) string {
	if chatbox.ValidFileID(e.FileID) {
		return v.address(e.FileID)
	}
	return e.FileURL
}

// messageView is the schema Message of docs/protocol/openapi.yaml.
type messageView struct {
	ID        string            `json:"id"`
	Seq       int64             `json:"seq"`
	Type      string            `json:"type"`
	Sender    string            `json:"sender"`
	Content   string            `json:"content"`
	Timestamp string            `json:"timestamp"`
	Status    string            `json:"status"`
	ModelID   string            `json:"model_id,omitempty"`
	FileID    string            `json:"file_id,omitempty"`
	FileURL   string            `json:"file_url,omitempty"`
	Files     []fileView        `json:"files,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	Feedback  *feedbackView     `json:"feedback,omitempty"` // of the session's owner
	// Unreadable says that no key opens the content, which is empty then.
	Unreadable bool `json:"unreadable,omitempty"`
}

func (v viewer) message(e chatbox.Event) messageView {
	m := messageView{
		ID: e.ID, Seq: e.Seq, Type: string(e.Type), Sender: string(e.Sender), Content: e.Content,
		Timestamp: stamp(e.Time), Status: string(e.Status), ModelID: e.ModelID,
		FileID: e.FileID, FileURL: v.fileURL(e), Files: v.files(e), Metadata: e.Metadata, Feedback: viewFeedback(e.Feedback), Unreadable: e.Unreadable,
	}
	if e.Type == chatbox.TypeAnswer && e.Answer != nil {
		m.Metadata = answerMetadata(e)
	}
	if m.Content == "" && !e.Unreadable {
		m.Content = e.Happened()
	}
	return m
}

// forPages is message for a page that shows only an entry's content, and would
// show an empty bubble if there is none.
func (v viewer) forPages(e chatbox.Event) messageView {
	m := v.message(e)
	m.Content = cmp.Or(m.Content, e.Missing())
	return m
}

// shared returns the public view of an event: no id and no address of a file, and
// only the metadata that the server sets about the course of the talk.
func (v viewer) shared(e chatbox.Event) messageView {
	m := v.message(e)
	m.FileID, m.FileURL, m.Feedback = "", "", nil
	for i, f := range m.Files {
		m.Files[i] = fileView{Name: f.Name, ContentType: f.ContentType}
	}
	if e.Unreadable {
		m.Content = e.Missing()
	}
	if e.Type == chatbox.TypeAnswer {
		return m
	}
	m.Metadata = nil
	if e.Unreadable {
		return m
	}
	for _, name := range []string{chatbox.MetaAdminName, chatbox.MetaReason} {
		if said := e.Metadata[name]; said != "" && e.Sender != chatbox.SenderUser {
			if m.Metadata == nil {
				m.Metadata = map[string]string{}
			}
			m.Metadata[name] = said
		}
	}
	return m
}

// hasWords reports whether an event has something to show on a shared page. An
// answer stopped before its first word has nothing.
func hasWords(e chatbox.Event) bool {
	return e.Content != "" || len(e.Files) > 0 || e.Unreadable || e.Happened() != ""
}
