package api

import (
	"html"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"chatbox/docs/protocol"
)

// documentsPage links to the descriptions of this interface. It loads no other
// resource, so the content security policy of all responses applies to it
// unchanged.
const documentsPage = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Chatbox: protocol</title></head>
<body>
<h1>Chatbox: protocol</h1>
<ul>
<li>Requests, OpenAPI 3.1: <a href="{prefix}/docs/openapi.yaml">YAML</a>, <a href="{prefix}/docs/openapi.json">JSON</a></li>
<li>Frames of the socket, AsyncAPI 3.0: <a href="{prefix}/docs/asyncapi.yaml">YAML</a>, <a href="{prefix}/docs/asyncapi.json">JSON</a></li>
</ul>
</body>
</html>
`

const mimeYAML = "application/yaml"

// documents serves the descriptions of the interface, without authentication.
func documents(e *edge) {
	at := e.cfg.Prefix + "/docs"
	page := strings.ReplaceAll(documentsPage, "{prefix}", html.EscapeString(e.cfg.Prefix))
	e.echo.GET(at, func(c echo.Context) error { return c.HTML(http.StatusOK, page) })
	for name, describe := range map[string]func(string) (protocol.Document, error){
		"/openapi": protocol.OpenAPI, "/asyncapi": protocol.AsyncAPI,
	} {
		d, err := describe(e.cfg.Prefix)
		if err != nil {
			panic("api: " + err.Error()) // the documents are embedded in the binary
		}
		e.echo.GET(at+name+".yaml", blob(mimeYAML, d.YAML))
		e.echo.GET(at+name+".json", blob(echo.MIMEApplicationJSON, d.JSON))
	}
}

func blob(kind string, b []byte) echo.HandlerFunc {
	return func(c echo.Context) error { return c.Blob(http.StatusOK, kind, b) }
}
