package kubernetes_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"chatbox/providers/kubernetes"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// account is a folder as Kubernetes mounts it, for a server with TLS.
func account(t *testing.T, server *httptest.Server) string {
	t.Helper()
	folder := t.TempDir()
	write(t, folder, "namespace", "chat")
	write(t, folder, "token", "first\n")
	write(t, folder, "ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	return folder
}

func write(t *testing.T, folder, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
}

func newPod(t *testing.T, server *httptest.Server, folder string) *kubernetes.Pod {
	t.Helper()
	host, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	pod, err := kubernetes.NewPod("chatbox-7f9-x", host, port, folder)
	require.NoError(t, err)
	return pod
}

// TestPod_PatchesItself: one merge patch of one annotation, with the token that the file has now.
func TestPod_PatchesItself(t *testing.T) {
	t.Parallel()
	type request struct{ method, path, kind, token, body string }
	var got request
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = request{r.Method, r.URL.String(), r.Header.Get("Content-Type"), r.Header.Get("Authorization"), string(body)}
	}))
	defer server.Close()
	folder := account(t, server)
	pod := newPod(t, server, folder)
	for _, token := range []string{"first", "rotated"} {
		write(t, folder, "token", token)
		require.NoError(t, pod.SetDeletionCost(t.Context(), 321))
		assert.Equal(t, request{
			http.MethodPatch, "/api/v1/namespaces/chat/pods/chatbox-7f9-x?fieldManager=chatbox", "application/merge-patch+json", "Bearer " + token,
			`{"metadata":{"annotations":{"controller.kubernetes.io/pod-deletion-cost":"321"}}}`,
		}, got)
	}
}

// TestPod_SaysWhyItWasRefused: the message of the server has the missing right, and no more of the response than a line.
func TestPod_SaysWhyItWasRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code     int
		body     string
		contains string
	}{
		"forbidden": {http.StatusForbidden, `{"message":"pods \"x\" is forbidden: cannot patch resource"}`, "cannot patch resource"},
		"no JSON":   {http.StatusBadGateway, "<html>", "status 502"},
		"long":      {http.StatusForbidden, `{"message":"` + strings.Repeat("long ", 5000) + `"}`, "status 403"},
		"redirect":  {http.StatusFound, "", "status 302"},
	} {
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://elsewhere.invalid/")
			w.WriteHeader(c.code)
			_, _ = io.WriteString(w, c.body)
		}))
		err := newPod(t, server, account(t, server)).SetDeletionCost(t.Context(), 1)
		require.ErrorContains(t, err, c.contains, name)
		assert.NotContains(t, err.Error(), "first", "the token")
		assert.Less(t, len(err.Error()), 600)
		server.Close()
	}
}

// TestPod_EndsWithItsContext: an API server that hangs holds nobody.
func TestPod_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	asked, stop := make(chan struct{}), make(chan struct{})
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(asked)
		<-stop
	}))
	defer server.Close()
	defer close(stop)
	pod := newPod(t, server, account(t, server))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	require.ErrorContains(t, pod.SetDeletionCost(ctx, 1), "canceled")
}

// TestPod_TrustsOnlyItsAuthority: a server with another certificate gets no token.
func TestPod_TrustsOnlyItsAuthority(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the token was sent") }))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	defer server.Close()
	folder := account(t, server)
	write(t, folder, "ca.crt", otherAuthority(t))
	require.ErrorContains(t, newPod(t, server, folder).SetDeletionCost(t.Context(), 1), "certificate")
}

// TestNewPod_OutsideKubernetes: each missing part is named.
func TestNewPod_OutsideKubernetes(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	_, err := kubernetes.NewPod("x", "", "", account(t, server))
	require.ErrorContains(t, err, "KUBERNETES_SERVICE_HOST")
	for _, file := range []string{"namespace", "token", "ca.crt"} {
		folder := account(t, server)
		require.NoError(t, os.Remove(filepath.Join(folder, file)))
		_, err := kubernetes.NewPod("x", "10.0.0.1", "443", folder)
		require.ErrorContains(t, err, file)
	}
	folder := account(t, server)
	write(t, folder, "token", "\n")
	_, err = kubernetes.NewPod("x", "10.0.0.1", "443", folder)
	require.ErrorContains(t, err, "empty")
	write(t, folder, "token", "t")
	write(t, folder, "ca.crt", "nothing")
	_, err = kubernetes.NewPod("x", "10.0.0.1", "443", folder)
	require.ErrorContains(t, err, "no certificate")
}

// otherAuthority is a certificate of an authority that signed no server here.
func otherAuthority(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "other"}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
