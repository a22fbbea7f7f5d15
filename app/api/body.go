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

const fieldBody = "body" // the body as a whole, in errors

// fields are the members that a request's body may have, and what reads each.
type fields map[string]func(raw json.RawMessage) error

// read reads a request's body, one JSON object, by the rules of frames: names
// in exactly their case and none twice, unknown ones passed over, null the same
// as absent. No body is an empty object.
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

// textField reads a string.
func textField(name string, into *string) func(json.RawMessage) error {
	return func(raw json.RawMessage) (err error) {
		*into, err = text(name, raw)
		return err
	}
}
