package llm

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// events reads server-sent events, as the HTML standard describes them but
// for lines that end in a bare CR, which no vendor sends.
type events struct{ r *bufio.Reader }

// next returns the next event that carries data, its lines joined by \n.
// io.EOF is the end of the stream; an event that it cut off is not returned.
func (e events) next() ([]byte, error) {
	var data []byte
	seen := false
	for {
		line, err := e.r.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if len(line) == 0 {
			if seen {
				return data, nil
			}
			continue
		}
		field, value, _ := bytes.Cut(bytes.TrimPrefix(line, []byte("\uFEFF")), []byte(":"))
		if string(field) != "data" { // comments, which have no field name; names, which vendors repeat in the data
			continue
		}
		if seen {
			data = append(data, '\n')
		}
		seen, data = true, append(data, bytes.TrimPrefix(value, []byte(" "))...)
		if len(data) > maxLine {
			return nil, errors.New("an event is longer than an answer can be")
		}
	}
}

// post asks a vendor for a stream of events. The caller closes the body.
func (g *guard) post(ctx context.Context, url string, header http.Header, body any) (io.ReadCloser, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("llm: encoding the request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(raw))
	if err != nil {
		return nil, asFailure(g.key, err)
	}
	req.Header = header.Clone()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	resp, err := g.Do(req)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}
