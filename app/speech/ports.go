package speech

import (
	"context"
	"io"

	"chatbox"
)

// Sessions are the sessions of the history.
type Sessions interface {
	// Owned returns the caller's session, or chatbox.NotFound.
	Owned(ctx context.Context, a chatbox.Actor, id string) (chatbox.Session, error)
	// Load returns any session, or chatbox.NotFound.
	Load(ctx context.Context, k chatbox.SessionKey) (chatbox.Session, error)
}

// Messages is the durable log.
type Messages interface {
	// ByKey finds the event with the key, or chatbox.NotFound.
	ByKey(ctx context.Context, s chatbox.SessionKey, key string) (chatbox.Event, error)
}

// Audit is the append-only record of staff's acts.
type Audit interface {
	// Record returns when the entry is durable.
	Record(ctx context.Context, actor chatbox.Actor, action chatbox.AuditAction, about chatbox.AuditSubject) error
}

// Speaker speaks texts. It bounds its own memory and the time without progress.
type Speaker interface {
	// Speak returns the sound of a text, which may be Markdown, as MP3 when it
	// begins. The caller closes it. chatbox.InvalidArgument: the text has no words.
	Speak(ctx context.Context, text string) (io.ReadCloser, error)
}

// Files stores what was spoken.
type Files interface {
	// Keep stores a file and records that the session uses it. fill writes its content.
	// If another pod has stored a file of the same key before, Keep leaves that file as
	// it is and returns first == false. If Keep fails, nothing of the file stays.
	Keep(ctx context.Context, f chatbox.File, session chatbox.SessionKey, fill func(io.Writer) error) (first bool, err error)
	// ReadInSession opens a file of the session. content begins at the byte from. size is
	// that of the whole file. chatbox.NotFound: the session does not use such a file.
	ReadInSession(ctx context.Context, k chatbox.SessionKey, id string, from int64) (content io.ReadCloser, size int64, err error)
}

// Observer is notified of outcomes, for metrics.
type Observer interface {
	// AnswerSpoken counts a call. bytes are those that were stored by it.
	AnswerSpoken(outcome string, bytes int64)
}
