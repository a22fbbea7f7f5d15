package chatbox

import (
	"context"
	"io"
	"strconv"
	"strings"
	"time"
)

// Recording is sound to transcribe.
type Recording struct {
	Name        string // as its user called it
	ContentType string
	Size        int64 // bytes
	// Open reads the recording from its beginning. It may be called again for
	// another try.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// Transcript is the text of a recording. Text is empty if nobody speaks in it.
type Transcript struct {
	Text     string
	Language string // as the provider names it; empty: unknown
}

// RecordingKey identifies a recording by its place in a session's log.
type RecordingKey struct {
	Session SessionKey
	Seq     int64
}

// TranscriptState is the progress of a recording's transcript.
type TranscriptState string

// The states of transcripts.
const (
	TranscriptPending TranscriptState = "pending"
	TranscriptDone    TranscriptState = "done"   // it is in the log, or nothing can be transcribed any more
	TranscriptFailed  TranscriptState = "failed" // until somebody asks for another try
)

// Metadata names on a transcript.
const (
	MetaOf         = "of"          // the id of the recording's message
	MetaOfSeq      = "of_seq"      // its seq: an id is unique per sender only
	MetaDurationMS = "duration_ms" // of the recording, if it is known
	MetaLanguage   = "language"    // if the provider names it
	MetaTruncated  = "truncated"   // "true": the end of the text is missing
)

const transcriptPrefix = "t:"

// TranscriptKey returns the key of the transcript of the recording at the seq. It
// admits one transcript per recording, whichever pod writes it.
func TranscriptKey(recordingSeq int64) string {
	return transcriptPrefix + strconv.FormatInt(recordingSeq, 10)
}

// Transcribes returns the seq of the recording that the event is a transcript of,
// and false for other events.
func (e Event) Transcribes() (recordingSeq int64, ok bool) {
	if e.Type != TypeTranscript {
		return 0, false
	}
	digits, ok := strings.CutPrefix(e.Key, transcriptPrefix)
	seq, err := strconv.ParseInt(digits, 10, 64)
	return seq, ok && err == nil
}

// TooManyRecordings refuses to transcribe one more recording at the moment. why is
// for operators; nil: there is no cause.
func TooManyRecordings(retryAfter time.Duration, why error) *Error {
	e := NewError(ModelFailed, "Too many recordings are transcribed at the moment. Please try again.", why)
	e.RetryAfter = retryAfter
	return e
}

// NoSpeech replaces the text of a transcript if nobody speaks in the recording.
const NoSpeech = "No speech was recognised."
