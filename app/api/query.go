package api

import (
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"chatbox"
)

// query refuses queries that can be read in more than one way. It runs after
// authentication.
func (e *edge) query(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := readableQuery(c.Request()); err != nil {
			return err
		}
		return next(c)
	}
}

// readableQuery refuses a query that can be read in more than one way. As in
// bodies, no parameter may be repeated, except tag. A badly escaped parameter is
// refused too: it would be ignored, and without that filter everything would match.
func readableQuery(r *http.Request) error {
	all, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return chatbox.Invalid("query", "is badly escaped; a semicolon is %3B")
	}
	for name, values := range all {
		if len(values) > 1 && name != fieldTag {
			return chatbox.Invalid(shortName(name), "is given twice")
		}
	}
	return nil
}

// shortName returns a parameter's name, or "query" if no valid parameter can have
// that name.
func shortName(name string) string {
	const most = 40
	if len(name) > most || !chatbox.ValidSessionID(name) {
		return "query"
	}
	return name
}
