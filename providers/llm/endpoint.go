package llm

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// endpoint is where a provider's requests go.
type endpoint struct {
	call  *url.URL // of one answer
	azure bool     // the key goes in the header api-key
}

// String is the URL that is called, query included.
func (e endpoint) String() string { return e.call.String() }

// host is where it is; empty for what was not resolved.
func (e endpoint) host() string {
	if e.call == nil {
		return ""
	}
	return e.call.Hostname()
}

// below is a URL under the call's, as Dify's stop of one answer.
func (e endpoint) below(segments ...string) string { return e.call.JoinPath(segments...).String() }

// resolve finds the URL that a provider's endpoint means. It may be the API's
// base, with or without its version, or the URL of the call itself; a query is
// kept. What means another call, or nothing, is refused with what would be
// called. Its errors show no credential.
func resolve(kind, raw string) (endpoint, error) {
	if raw == "" {
		raw = map[string]string{
			TypeOpenAI: openaiEndpoint, TypeAnthropic: anthropicEndpoint, TypeDify: difyEndpoint,
		}[kind]
	}
	u, err := parseEndpoint(raw)
	if err != nil {
		return endpoint{}, err
	}
	segments := slices.DeleteFunc(strings.Split(u.EscapedPath(), "/"), func(s string) bool { return s == "" })
	e := endpoint{azure: kind == TypeOpenAI && isAzure(u.Hostname(), segments)}
	switch {
	case e.azure:
		segments, err = azurePath(u, segments)
	default:
		segments, err = apiPath(kind, u, segments)
	}
	called := url.URL{Scheme: u.Scheme, Host: u.Host, RawQuery: u.RawQuery}
	e.call = called.JoinPath(segments...)
	if fault := errors.Join(strayParts(u), err); fault != nil {
		return endpoint{}, fmt.Errorf("%w; it would call %s", fault, shown(e.call))
	}
	return e, nil
}

// parseEndpoint refuses what is no API's URL. Its errors do not show it:
// somebody may have put a key into it.
func parseEndpoint(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	placeholder := regexp.MustCompile(`(?i)\byour[-_]?(resource|domain|host|server|endpoint|company|name)`)
	switch {
	case err != nil:
		return nil, errors.New("is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("must begin with http:// or https://")
	case u.Hostname() == "":
		return nil, errors.New("names no host")
	case !validPort(u):
		return nil, errors.New("names no valid port")
	case strings.ContainsAny(raw, "<>{}$|\\^` \"") || placeholder.MatchString(u.Host):
		return nil, errors.New("is a placeholder, or holds characters that no URL has")
	case slices.Contains(strings.Split(u.Path, "/"), ".."):
		return nil, errors.New("must not climb with two dots")
	}
	u.Host = strings.ToLower(u.Host)
	return u, nil
}

// strayParts refuses what an endpoint has no use for, and credentials where
// proxies log them. Its errors quote nothing of the URL.
func strayParts(u *url.URL) error {
	credential := regexp.MustCompile(`(?i)(^|[-_])(key|code|auth|sig|pwd)$|(token|secret|password|passwd|apikey|credentials?|signature|authorization)$`)
	query, err := url.ParseQuery(u.RawQuery)
	switch {
	case u.User != nil:
		return errors.New("must not carry user and password: use API_KEY")
	case u.Fragment != "":
		return errors.New("must not carry a fragment")
	case err != nil:
		return errors.New("has a query that cannot be read")
	}
	for name, values := range query {
		if credential.MatchString(name) {
			return errors.New("must not carry a credential in its query: use API_KEY or HEADERS")
		}
		if slices.Contains(values, "") {
			return errors.New("has a query that is not name=value")
		}
	}
	return nil
}

func validPort(u *url.URL) bool {
	if u.Port() == "" {
		return true
	}
	n, err := strconv.Atoi(u.Port())
	return err == nil && n > 0 && n < 1<<16
}

// shown is a URL as errors may show it: of its query no more than the version
// of Azure's API.
func shown(u *url.URL) string {
	c := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	version := u.Query().Get(azureVersion)
	switch {
	case regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?$`).MatchString(version):
		return c.String() + "?" + azureVersion + "=" + version
	case u.RawQuery != "":
		return c.String() + "?…"
	default:
		return c.String()
	}
}

// isVersion reports whether a segment of a path names an API's version.
func isVersion(segment string) bool {
	return regexp.MustCompile(`^v[0-9]+[a-z0-9]*$`).MatchString(segment)
}

// callOf is the path of a dialect's call below its base.
func callOf(kind string) []string {
	switch kind {
	case TypeAnthropic:
		return []string{"messages"}
	case TypeDify:
		return []string{"chat-messages"}
	default:
		return []string{"chat", "completions"}
	}
}

// apiPath completes the path of an API that is not Azure's.
func apiPath(kind string, u *url.URL, segments []string) ([]string, error) {
	call := callOf(kind)
	if webPage(u.Hostname()) {
		return slices.Concat(segments, call), errors.New("is a web page's host, not an API's")
	}
	if hasSuffix(segments, call...) || kind == TypeOpenAI && hasSuffix(segments, "invocations") {
		return segments, nil
	}
	host := knownHost(u.Hostname())
	switch {
	case kind == TypeOpenAI && len(segments) == 0 && host.base != "":
		segments = strings.Split(host.base, "/")
	case kind == TypeOpenAI && (host.unversioned || unversioned(segments)):
	case !versioned(u.Hostname(), segments):
		segments = append(segments, "v1")
	}
	would := slices.Concat(segments, call)
	if other := otherCall(segments); other != "" {
		return would, fmt.Errorf("ends in /%s, which is another call than /%s that TYPE %s speaks: give the API's base or the whole URL of the call",
			other, strings.Join(call, "/"), kind)
	}
	return would, nil
}

func hasSuffix(segments []string, suffix ...string) bool {
	n := len(segments) - len(suffix)
	return n >= 0 && slices.Equal(segments[n:], suffix)
}

// versioned reports whether the path names a version. "/v1" is added where it
// names none, so both spellings of a base work, and so do other vendors' bases,
// as /api/paas/v4 or /v1beta/openai.
func versioned(host string, segments []string) bool {
	if host == "api.cloudflare.com" && hasSuffix(segments, "ai") { // /client/v4/accounts/…/ai: that version is another's
		return false
	}
	return slices.ContainsFunc(segments, isVersion)
}

// unversioned knows the ends of bases that have no version: GitHub Models and
// Databricks, Vertex AI, DeepSeek's trial of new fields.
func unversioned(segments []string) bool {
	return len(segments) > 0 && slices.Contains([]string{"inference", "serving-endpoints", "openapi", "beta"}, segments[len(segments)-1])
}

// otherCall is the end of a path that is a call, but none that is spoken here.
func otherCall(segments []string) string {
	if len(segments) > 0 && segments[len(segments)-1] == "v1" { // perhaps added behind it
		if other := otherCall(segments[:len(segments)-1]); other != "" {
			return other
		}
	}
	if len(segments) == 0 {
		return ""
	}
	last := segments[len(segments)-1]
	always := []string{
		"completions", "messages", "chat-messages", "completion-messages", "responses", "embeddings", "invoke", "converse", "converse-stream",
		"invoke-with-response-stream", "count_tokens", "generateContent", "streamGenerateContent", "rawPredict", "workflows",
	}
	underAPI := []string{"chat", "models", "complete", "generate", "tokenize", "batches", "rerank", "run", "parameters", "tags", "moderations", "files"}
	switch {
	case slices.Contains(always, last), strings.Contains(last, ":"):
		return last
	case len(segments) > 1 && slices.Contains(underAPI, last):
		if above := segments[len(segments)-2]; isVersion(above) || above == "api" || above == "workflows" {
			return last
		}
	}
	return ""
}

// webPage knows the hosts of pages that people copy where the API's was meant.
func webPage(host string) bool {
	return slices.Contains([]string{
		"chatgpt.com", "chat.openai.com", "platform.openai.com", "claude.ai", "console.anthropic.com", "platform.claude.com",
		"cloud.dify.ai", "udify.app", "chat.deepseek.com", "platform.deepseek.com", "aistudio.google.com", "console.groq.com",
		"console.mistral.ai", "chat.mistral.ai", "ai.azure.com", "oai.azure.com", "portal.azure.com",
	}, host)
}

// PlainPublic reports whether requests to the provider cross networks that
// others share, without encryption: plain http to a host that is neither this
// machine nor in a private network, as far as its name shows.
func (p Provider) PlainPublic() bool {
	u, err := url.Parse(p.Endpoint)
	return err == nil && u.Scheme == "http" && !privateHost(u.Hostname())
}

func privateHost(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if ip, err := netip.ParseAddr(host); err == nil {
		ip = ip.Unmap()
		shared := netip.MustParsePrefix("100.64.0.0/10") // carriers' and overlay networks
		return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || shared.Contains(ip)
	}
	if !strings.Contains(host, ".") {
		// A service of the cluster or a machine of the local network. Some
		// resolvers take a lone number for an address, which may be anybody's.
		return !regexp.MustCompile(`^(0x[0-9a-f]*|[0-9]+)$`).MatchString(host)
	}
	for _, zone := range []string{"localhost", "local", "internal", "svc", "lan", "home.arpa", "intranet", "corp", "private", "home"} {
		if strings.HasSuffix(host, "."+zone) {
			return true
		}
	}
	return false
}
