package vendorapi

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// azureVersion is the query parameter for the version of Azure's older API.
const azureVersion = "api-version"

// isAzure reports whether the URL belongs to Azure, or to a gateway with the same
// paths as Azure.
func isAzure(host string, segments []string) bool {
	for _, zone := range []string{".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com"} {
		if strings.HasSuffix(host, zone) {
			return true
		}
	}
	return slices.Contains(segments, "deployments")
}

// azurePath completes the path of an Azure URL: /openai/v1, where MODEL is the
// deployment; the older /openai/deployments/<name>?api-version=…; or
// /models?api-version=… of a Foundry resource.
func azurePath(to Call, u *url.URL, segments []string) ([]string, error) {
	call := to.Path
	base := segments
	if hasSuffix(base, call...) {
		base = base[:len(base)-len(call)]
	}
	would := slices.Concat(base, call)
	at := slices.Index(base, "deployments")
	switch {
	case at >= 0 && len(base) != at+2:
		return would, errors.New("names no deployment: it must be …/openai/deployments/<name>?api-version=…, or …/openai/v1")
	case at >= 0 || hasSuffix(base, "models"):
		if u.Query().Get(azureVersion) == "" {
			return would, errors.New("lacks ?api-version=…, which this API of Azure's wants")
		}
		return would, nil
	case hasSuffix(base, "openai", "v1"):
		return would, nil
	case hasSuffix(base, "openai"):
		return slices.Concat(base, []string{"v1"}, call), nil
	case len(base) == 0, len(base) == 1 && base[0] == "v1":
		return slices.Concat([]string{"openai", "v1"}, call), nil
	case len(base) > 1 && base[len(base)-2] == "projects":
		return slices.Concat(base, []string{"openai", "v1"}, call), nil
	default:
		return would, errors.New("is no URL of Azure's that is known: give …/openai/v1, or …/openai/deployments/<name>?api-version=…")
	}
}
