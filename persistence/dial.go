package persistence

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"time"

	"chatbox/internal/outage"

	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/x/mongo/driver/ocsp"
)

// dialer makes TLS connections with the certificates and authorities that the
// URI's files hold at that moment. Those files are replaced while a pod runs, and
// the driver reads them only once.
type dialer struct {
	settings   string // a URI with the TLS parameters only
	timeout    time.Duration
	revocation ocsp.VerifyOptions
}

// readFilesAnew makes the driver use a dialer if the URI names files.
func readFilesAnew(opts *options.ClientOptions, uri string, timeout time.Duration) {
	parameters := tlsParameters(uri)
	if opts.TLSConfig == nil || !strings.Contains(strings.ToLower(parameters), "file=") {
		return
	}
	d := &dialer{
		settings: "mongodb://h/?" + parameters, timeout: timeout,
		revocation: ocsp.VerifyOptions{Cache: ocsp.NewCache(), HTTPClient: opts.HTTPClient},
	}
	if no := opts.DisableOCSPEndpointCheck; no != nil {
		d.revocation.DisableEndpointChecking = *no
	}
	opts.SetDialer(d)
	opts.TLSConfig = nil // otherwise the driver would start TLS inside the TLS connection
}

// tlsParameters returns the URI parameters from which the driver builds its TLS
// settings.
func tlsParameters(uri string) string {
	_, query, _ := strings.Cut(uri, "?")
	parameters := []string{"tls=true"}
	for p := range strings.SplitSeq(query, "&") {
		name := strings.ToLower(p)
		if (strings.HasPrefix(name, "tls") || strings.HasPrefix(name, "ssl")) &&
			!strings.HasPrefix(name, "tls=") && !strings.HasPrefix(name, "ssl=") {
			parameters = append(parameters, p)
		}
	}
	return strings.Join(parameters, "&")
}

// DialContext opens one connection.
func (d *dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	conf, err := d.load()
	if err != nil {
		return nil, err
	}
	var plain net.Dialer
	conn, err := plain.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if conf.ServerName, _, err = net.SplitHostPort(addr); err != nil {
		conf.ServerName = addr
	}
	secure := tls.Client(conn, conf)
	if err = secure.HandshakeContext(ctx); err == nil && !conf.InsecureSkipVerify {
		err = outage.As(outage.Certificate, ocsp.Verify(ctx, secure.ConnectionState(), &d.revocation))
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// load reads the files. Its errors do not quote the URI, which may contain the
// password of a key.
func (d *dialer) load() (*tls.Config, error) {
	opts := options.Client().ApplyURI(d.settings)
	err := opts.Validate()
	if err == nil && opts.TLSConfig != nil {
		opts.TLSConfig.MinVersion = tls.VersionTLS12
		return opts.TLSConfig, nil
	}
	why := errors.New("a file that MONGO_URI names holds no certificate or key that can be used")
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		why = fmt.Errorf("a file that MONGO_URI names cannot be read: %w", path)
	}
	return nil, outage.As(outage.Certificate, why)
}
