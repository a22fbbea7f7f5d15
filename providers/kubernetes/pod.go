// Package kubernetes lets a pod annotate itself at the API server of Kubernetes.
// It is one request, so there is no client library: that of Kubernetes brings the
// types of all its resources.
package kubernetes

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// AccountFolder is where Kubernetes mounts the token of a pod's service account.
const AccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount"

// deletionCost is the annotation by which a ReplicaSet chooses the pod that a
// scale-down removes: the one with the lowest cost.
const deletionCost = "controller.kubernetes.io/pod-deletion-cost"

// maxAnswer is how many bytes of a refusal are read.
const maxAnswer = 16 << 10

// Pod is this pod in the API of Kubernetes. It may be used concurrently.
type Pod struct {
	url    string
	folder string
}

// NewPod returns the pod of that name. host and port are the API server's, as
// Kubernetes puts them into the environment; folder has the token, the namespace
// and the authority of the server. It fails if one of these is missing, which
// means that the pod does not run on Kubernetes or may not use its account.
func NewPod(name, host, port, folder string) (*Pod, error) {
	if host == "" || port == "" {
		return nil, errors.New("the environment has no KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT")
	}
	p := &Pod{folder: folder}
	namespace, err := os.ReadFile(filepath.Join(p.folder, "namespace"))
	if err != nil {
		return nil, fmt.Errorf("namespace: %w", err)
	}
	p.url = "https://" + net.JoinHostPort(host, port) + "/api/v1/namespaces/" +
		url.PathEscape(strings.TrimSpace(string(namespace))) + "/pods/" + url.PathEscape(name)
	if _, err = p.token(); err == nil {
		_, err = p.authority()
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// SetDeletionCost replaces the cost of the pod's deletion, from the smallest to
// the largest int32. ctx bounds the request. Neither a proxy of the environment
// nor a redirect is followed: the token is for the API server alone.
func (p *Pod) SetDeletionCost(ctx context.Context, cost int32) error {
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"annotations": map[string]string{deletionCost: strconv.Itoa(int(cost))},
	}})
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	token, err := p.token()
	if err != nil {
		return err
	}
	roots, err := p.authority()
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, p.url+"?fieldManager=chatbox", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	req.Header.Set("Content-Type", "application/merge-patch+json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	// A connection for each request: they are rare, and token and authority rotate.
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("patch the pod: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode/100 == 2 {
		return nil
	}
	return refusal(res)
}

// refusal is the server's reason, which names the missing right.
func refusal(res *http.Response) error {
	var status struct{ Message string }
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil || json.Unmarshal(answer, &status) != nil || status.Message == "" {
		return fmt.Errorf("patch the pod: status %d", res.StatusCode)
	}
	return fmt.Errorf("patch the pod: status %d: %.300q", res.StatusCode, status.Message)
}

// token is read for each request: Kubernetes replaces the file before it expires.
func (p *Pod) token() (string, error) {
	text, err := os.ReadFile(filepath.Join(p.folder, "token"))
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", errors.New("token: the file is empty")
	}
	return token, nil
}

func (p *Pod) authority() (*x509.CertPool, error) {
	pem, err := os.ReadFile(filepath.Join(p.folder, "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("authority: ca.crt has no certificate")
	}
	return roots, nil
}
