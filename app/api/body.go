package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"

	"github.com/labstack/echo/v4"

	"chatbox"
)

const fieldBody = "body" // the whole body, in errors

// fields maps the members that a request's body may have to their parsers.
type fields map[string]func(raw json.RawMessage) error

// read parses a request's body, one JSON object, by the rules for frames: names
// match in case and are not repeated, unknown members are ignored, and null means
// absent. An empty body is an empty object.
func (f fields) read(c echo.Context) error {
	raw, err := io.ReadAll(c.Request().Body)
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		return err
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return chatbox.Invalid(fieldBody, "did not arrive in time")
	}
	if err != nil {
		return chatbox.Invalid(fieldBody, "could not be read")
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil
	}
	return eachMember(raw, fieldBody, func(name string, raw json.RawMessage, seen map[string]bool) error {
		set, known := f[name]
		if !known {
			return nil
		}
		if seen[name] {
			return chatbox.Invalid(name, "is given twice")
		}
		seen[name] = true
		if isNull(raw) {
			return nil
		}
		return set(raw)
	})
}

// textField parses a string.
func textField(name string, into *string) func(json.RawMessage) error {
	return func(raw json.RawMessage) (err error) {
		*into, err = text(name, raw)
		return err
	}
}
