package api

import (
	"errors"
	"io"
	"net/http"

	"chatbox/app/files"
)

// rangeWriter leaves the response for a range that does not exist to the edge.
type rangeWriter struct {
	http.ResponseWriter
	refused bool
}

func (w *rangeWriter) WriteHeader(status int) {
	if w.refused = status == http.StatusRequestedRangeNotSatisfiable || status == http.StatusInternalServerError; w.refused {
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *rangeWriter) Write(p []byte) (int, error) {
	if w.refused {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

// seeker is a content as http.ServeContent reads it. A seek opens nothing; the
// next read does.
type seeker struct {
	content files.Content
	at      int64
	open    io.ReadCloser
	openAt  int64 // place of open
	err     error
}

func (s *seeker) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += s.at
	case io.SeekEnd:
		offset += s.content.Size
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning")
	}
	s.at = offset
	return offset, nil
}

// begin opens the content at the current place, unless it is open there.
func (s *seeker) begin() error {
	if s.open != nil && s.openAt == s.at {
		return nil
	}
	s.close()
	open, err := s.content.Open(s.at)
	if err != nil {
		s.err = err
		return err
	}
	s.open, s.openAt = open, s.at
	return nil
}

func (s *seeker) Read(p []byte) (int, error) {
	if s.at >= s.content.Size {
		return 0, io.EOF
	}
	if err := s.begin(); err != nil {
		return 0, err
	}
	n, err := s.open.Read(p)
	s.at += int64(n)
	s.openAt = s.at
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

func (s *seeker) close() {
	if s.open != nil {
		_ = s.open.Close() // it is read only
		s.open = nil
	}
}
