package llm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"chatbox/internal/readwhen"
	"chatbox/providers/internal/vendorapi"
)

// guard sends all requests to a model's vendor, without the fields that the vendor
// has refused.
type guard struct {
	client   *vendorapi.Client
	key      Secret
	optional optional
}

func newGuard(transport http.RoundTripper, key Secret) *guard {
	return &guard{client: vendorapi.NewClient(transport, key), key: key}
}

// post requests a stream of events from a vendor. The caller closes the body.
//
// If the vendor refuses an optional field, post retries without it. Later
// requests omit the field too.
func (g *guard) post(ctx context.Context, url string, header http.Header, body any) (io.ReadCloser, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("llm: encoding the request: %w", err)
	}
	request := leave(raw, g.optional.known())
	var left []string
	for {
		stream, err := g.send(ctx, url, header, request)
		if err == nil {
			g.optional.remember(left)
			return stream, nil
		}
		f, ok := errors.AsType[*vendorapi.Failure](err)
		if !ok || len(f.Fields) == 0 || len(left) >= maxRefused {
			return nil, err
		}
		left = append(left, f.Fields...)
		request = leave(request, f.Fields)
	}
}

func (g *guard) send(ctx context.Context, url string, header http.Header, body []byte) (io.ReadCloser, error) {
	return g.sendAs(ctx, url, header, "application/json", "text/event-stream", body, optionalIn(body))
}

// sendAs sends a body of the type sent, for a response of the type wanted. fields
// are the fields that a failure may report as refused.
func (g *guard) sendAs(
	ctx context.Context, url string, header http.Header, sent, wanted string, body []byte, fields []string,
) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, vendorapi.AsFailure(g.key, err)
	}
	req.Header = header.Clone()
	req.Header.Set("Content-Type", sent)
	req.Header.Set("Accept", wanted)
	req.Header.Set("Accept-Encoding", "identity") // a compressed stream arrives in large pieces
	resp, err := g.client.Do(req, fields)         //nolint:bodyclose // the caller closes the reader, which closes it
	if err != nil {
		return nil, err
	}
	return readwhen.Reader(ctx, resp.Body), nil
}
