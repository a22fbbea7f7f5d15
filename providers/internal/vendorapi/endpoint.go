package vendorapi

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

// Endpoint is the address of a provider's requests.
type Endpoint struct {
	url   *url.URL // URL of the call
	Azure bool     // the key is sent in the header api-key
}

// String returns the URL of the call, including its query.
func (e Endpoint) String() string { return e.url.String() }

// Host returns the host name, or "" if the endpoint was not resolved.
func (e Endpoint) Host() string {
	if e.url == nil {
		return ""
	}
	return e.url.Hostname()
}

// Origin returns scheme and host of the call, without path and query.
func (e Endpoint) Origin() string { return e.url.Scheme + "://" + e.url.Host }

// Below returns a URL below the URL of the call, such as Dify's URL to stop an
// answer.
func (e Endpoint) Below(segments ...string) string { return e.url.JoinPath(segments...).String() }

// Beside returns the URL of another call of the same API, such as Dify's URL to
// upload a file.
func (e Endpoint) Beside(segments ...string) string {
	return e.url.JoinPath(append([]string{".."}, segments...)...).String()
}

// Call is a call of an API that can be configured.
type Call struct {
	Path   []string // below the API's base
	Kind   string   // the setting that chose the call, for errors; empty: there is none
	OpenAI bool     // the API is OpenAI's, which many vendors offer at a base of their own, and Azure
	Alias  string   // last segment of another URL for the call; empty: there is none
}

// Resolve returns the endpoint of a call for a configured URL. That may be the
// API's base URL, with or without a version, or the URL of the call itself. Its
// query is preserved. Resolve refuses a URL that leads to another call or to no
// API, and the error shows the URL that would be called. Its errors contain no
// credentials.
func Resolve(to Call, raw string) (Endpoint, error) {
	u, err := parseEndpoint(raw)
	if err != nil {
		return Endpoint{}, err
	}
	segments := slices.DeleteFunc(strings.Split(u.EscapedPath(), "/"), func(s string) bool { return s == "" })
	e := Endpoint{Azure: to.OpenAI && isAzure(u.Hostname(), segments)}
	switch {
	case e.Azure:
		segments, err = azurePath(to, u, segments)
	default:
		segments, err = apiPath(to, u, segments)
	}
	called := url.URL{Scheme: u.Scheme, Host: u.Host, RawQuery: u.RawQuery}
	e.url = called.JoinPath(segments...)
	if fault := errors.Join(strayParts(u), err); fault != nil {
		return Endpoint{}, fmt.Errorf("%w; it would call %s", fault, shown(e.url))
	}
	return e, nil
}

// parseEndpoint parses the URL of an API. Its errors do not quote the URL, which
// may contain a key.
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

// strayParts refuses parts of a URL that an endpoint does not use, and
// credentials in the URL, since proxies log them. Its errors do not quote the
// URL.
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

// shown returns a URL that errors may quote. It omits the query, except for the
// version of Azure's API.
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

// isVersion reports whether a path segment is the version of an API.
func isVersion(segment string) bool {
	return regexp.MustCompile(`^v[0-9]+[a-z0-9]*$`).MatchString(segment)
}

// apiPath completes the path of an API that is not Azure's.
func apiPath(to Call, u *url.URL, segments []string) ([]string, error) {
	if webPage(u.Hostname()) {
		return slices.Concat(segments, to.Path), errors.New("is a web page's host, not an API's")
	}
	if hasSuffix(segments, to.Path...) || to.Alias != "" && hasSuffix(segments, to.Alias) {
		return segments, nil
	}
	base, bare := baseOf(u.Hostname())
	switch {
	case to.OpenAI && len(segments) == 0 && base != "":
		segments = strings.Split(base, "/")
	case to.OpenAI && (bare || unversioned(segments)):
	case !versioned(u.Hostname(), segments):
		segments = append(segments, "v1")
	}
	would := slices.Concat(segments, to.Path)
	if other := otherCall(segments); other != "" {
		speaks := ""
		if to.Kind != "" {
			speaks = " that " + to.Kind + " speaks"
		}
		return would, fmt.Errorf("ends in /%s, which is another call than /%s%s: give the API's base or the whole URL of the call",
			other, strings.Join(to.Path, "/"), speaks)
	}
	return would, nil
}

func hasSuffix(segments []string, suffix ...string) bool {
	n := len(segments) - len(suffix)
	return n >= 0 && slices.Equal(segments[n:], suffix)
}

// versioned reports whether the path contains a version. Without one, apiPath
// adds "v1". Both spellings of a base thus work, and so do bases such as
// /api/paas/v4 and /v1beta/openai.
func versioned(host string, segments []string) bool {
	if host == "api.cloudflare.com" && hasSuffix(segments, "ai") { // the version in /client/v4/accounts/…/ai belongs to another API
		return false
	}
	return slices.ContainsFunc(segments, isVersion)
}

// unversioned reports whether the path ends like a base without a version: GitHub
// Models, Databricks, Vertex AI and DeepSeek's beta.
func unversioned(segments []string) bool {
	return len(segments) > 0 && slices.Contains([]string{"inference", "serving-endpoints", "openapi", "beta"}, segments[len(segments)-1])
}

// otherCall returns the last segment of a path that is a call of another API, or
// "".
func otherCall(segments []string) string {
	if len(segments) > 0 && segments[len(segments)-1] == "v1" { // "v1" may have been added after the call
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
	audio := []string{"transcriptions", "translations", "speech"}
	switch {
	case slices.Contains(always, last), strings.Contains(last, ":"):
		return last
	case len(segments) > 1 && slices.Contains(audio, last) && segments[len(segments)-2] == "audio":
		return last
	case len(segments) > 1 && slices.Contains(underAPI, last):
		if above := segments[len(segments)-2]; isVersion(above) || above == "api" || above == "workflows" {
			return last
		}
	}
	return ""
}

// webPage reports whether a host serves web pages that users copy instead of the
// API's URL.
func webPage(host string) bool {
	return slices.Contains([]string{
		"chatgpt.com", "chat.openai.com", "platform.openai.com", "claude.ai", "console.anthropic.com", "platform.claude.com",
		"cloud.dify.ai", "udify.app", "chat.deepseek.com", "platform.deepseek.com", "aistudio.google.com", "console.groq.com",
		"console.mistral.ai", "chat.mistral.ai", "ai.azure.com", "oai.azure.com", "portal.azure.com",
	}, host)
}

// PlainPublic reports whether requests to the endpoint are sent without encryption
// over a public network. It returns true for plain http to a host that, judging by
// its name, is neither this machine nor in a private network.
func PlainPublic(raw string) bool {
	u, err := url.Parse(raw)
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
		// A host without a dot is a service of the cluster or a machine of the local
		// network. Some resolvers interpret a single number as an address, which may be
		// public.
		return !regexp.MustCompile(`^(0x[0-9a-f]*|[0-9]+)$`).MatchString(host)
	}
	for _, zone := range []string{"localhost", "local", "internal", "svc", "lan", "home.arpa", "intranet", "corp", "private", "home"} {
		if strings.HasSuffix(host, "."+zone) {
			return true
		}
	}
	return false
}

// baseOf returns the base of a host's API, "" if it is not known, and whether the
// base has no version. The bases are those of the vendors' own examples for
// OpenAI's SDK.
func baseOf(host string) (base string, unversioned bool) {
	switch host {
	case "api.perplexity.ai", "models.inference.ai.azure.com":
		return "", true
	}
	return map[string]string{
		"models.github.ai":                  "inference",
		"api.groq.com":                      "openai/v1",
		"openrouter.ai":                     "api/v1",
		"api.fireworks.ai":                  "inference/v1",
		"api.deepinfra.com":                 "v1/openai",
		"api.cohere.ai":                     "compatibility/v1",
		"api.cohere.com":                    "compatibility/v1",
		"generativelanguage.googleapis.com": "v1beta/openai",
		"open.bigmodel.cn":                  "api/paas/v4",
		"api.z.ai":                          "api/paas/v4",
		"dashscope.aliyuncs.com":            "compatible-mode/v1",
		"dashscope-intl.aliyuncs.com":       "compatible-mode/v1",
		"qianfan.baidubce.com":              "v2",
	}[host], false
}
