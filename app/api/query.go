package api

import (
	"net/url"

	"github.com/labstack/echo/v4"

	"chatbox"
)

// query lets pass only queries that can be read in one way; it comes after who
// may ask. As in bodies, no parameter is given twice, tag apart, which is meant
// to be. One that is badly escaped would be lost, and a filter that is lost
// lets everything pass.
func (s *Server) query(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		all, err := url.ParseQuery(c.Request().URL.RawQuery)
		if err != nil {
			return chatbox.Invalid("query", "is badly escaped; a semicolon is %3B")
		}
		for name, values := range all {
			if len(values) > 1 && name != fieldTag {
				return chatbox.Invalid(shortName(name), "is given twice")
			}
		}
		return next(c)
	}
}

// shortName is a parameter's name as far as it can be one of ours.
func shortName(name string) string {
	const most = 40
	if len(name) > most || !chatbox.ValidSessionID(name) {
		return "query"
	}
	return name
}
