// Command healthcheck exits 0 when the pod in the same container is ready. The image has no shell and no curl.
package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

func main() {
	if err := ready(); err != nil {
		fmt.Fprintln(os.Stderr, "healthcheck:", err)
		os.Exit(1)
	}
}

// ready asks the address that the pod's own variables name.
func ready() error {
	_, port, err := net.SplitHostPort(cmp.Or(os.Getenv("LISTEN_ADDR"), ":8080"))
	if err != nil {
		return fmt.Errorf("LISTEN_ADDR: %w", err)
	}
	url := "http://" + net.JoinHostPort("127.0.0.1", port) + cmp.Or(os.Getenv("CHATBOX_PATH_PREFIX"), "/chatbox") + "/readyz"

	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody) //nolint:gosec // always the loopback; the operator names port and path
	if err != nil {
		return err
	}
	resp, err := (&http.Client{}).Do(req) //nolint:gosec // the same
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return nil
}
