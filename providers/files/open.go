package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/s3blob"
)

// Location is where the objects are: a folder, or a bucket. The zero Location is
// nowhere.
type Location struct {
	Folder string // absolute path; empty: a bucket

	Bucket   string
	Endpoint string // of a compatible store; empty: AWS
	Region   string // empty: from the environment, or us-east-1 with an endpoint
}

// Set reports whether there is a location.
func (l Location) Set() bool { return l != Location{} }

// String names the location for logs. It contains no secret.
func (l Location) String() string {
	if l.Folder != "" {
		return "file://" + l.Folder
	}
	return "s3://" + l.Bucket
}

// ParseLocation reads file:///folder or s3://bucket?endpoint=…&region=…. Its
// errors do not repeat the address, which might contain a secret by mistake.
func ParseLocation(address string) (Location, error) {
	u, err := url.Parse(address)
	if err != nil {
		return Location{}, errors.New("is not an address such as file:///var/lib/chatbox or s3://bucket?endpoint=https://minio:9000&region=eu")
	}
	if u.User != nil {
		return Location{}, errors.New("must not contain credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	switch u.Scheme {
	case "file":
		return parseFolder(u)
	case "s3":
		return parseBucket(u)
	default:
		return Location{}, errors.New("must begin with file:/// or s3://")
	}
}

func parseFolder(u *url.URL) (Location, error) {
	switch {
	case u.Host != "" || !filepath.IsAbs(u.Path):
		return Location{}, errors.New("must name an absolute folder with three slashes: file:///var/lib/chatbox")
	case u.RawQuery != "" || u.Fragment != "":
		return Location{}, errors.New("takes no parameters for a folder")
	case filepath.Clean(u.Path) == "/":
		return Location{}, errors.New("must not be the root folder")
	}
	return Location{Folder: filepath.Clean(u.Path)}, nil
}

func parseBucket(u *url.URL) (Location, error) {
	l := Location{Bucket: u.Host}
	if l.Bucket == "" || strings.Trim(u.Path, "/") != "" || u.Fragment != "" {
		return Location{}, errors.New("must name a bucket and nothing else before its parameters: s3://bucket?region=eu-central-1")
	}
	given, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Location{}, errors.New("has malformed parameters")
	}
	for name, values := range given {
		if len(values) != 1 || values[0] == "" {
			return Location{}, errors.New("has a parameter that is empty or given twice")
		}
		switch name {
		case "endpoint":
			l.Endpoint = values[0]
		case "region":
			l.Region = values[0]
		default:
			return Location{}, errors.New("has a parameter other than endpoint and region")
		}
	}
	if l.Endpoint != "" {
		e, err := url.Parse(l.Endpoint)
		if err != nil || e.Scheme != "https" && e.Scheme != "http" || e.Host == "" || e.User != nil || e.RawQuery != "" {
			return Location{}, errors.New("has an endpoint that is not http://host:port or https://host:port without credentials")
		}
	}
	return l, nil
}

// Open opens the location. It creates a missing folder, and connects to a bucket
// on first use only.
func Open(ctx context.Context, l Location, keys Keys) (*Store, error) {
	if l.Folder != "" {
		bucket, err := openFolder(l.Folder)
		if err != nil {
			return nil, err
		}
		s := New(bucket, keys)
		s.folder = l.Folder
		return s, nil
	}
	// Without a temporary file no upload could succeed. It is better to say so now.
	if err := temporary(); err != nil {
		return nil, err
	}
	bucket, api, err := openBucket(ctx, l)
	if err != nil {
		return nil, err
	}
	s := New(bucket, keys)
	s.deliver = func(ctx context.Context, name string, content io.ReadSeeker, size int64) error {
		_, err := api.PutObject(ctx, &s3.PutObjectInput{Bucket: &l.Bucket, Key: &name, Body: content, ContentLength: &size})
		return err
	}
	return s, nil
}

// temporary reports whether temporary files can be written.
func temporary() error {
	f, err := os.CreateTemp("", "chatbox-")
	if err != nil {
		return fmt.Errorf("files: a bucket needs a folder for temporary files, which TMPDIR names: %w", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func openFolder(folder string) (*blob.Bucket, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("files: create the folder: %w", err)
	}
	bucket, err := fileblob.OpenBucket(folder, &fileblob.Options{
		CreateDir: true, DirFileMode: 0o700, NoTempDir: true, Metadata: fileblob.MetadataDontWrite,
	})
	if err != nil {
		return nil, fmt.Errorf("files: open the folder: %w", err)
	}
	return bucket, nil
}

// Times of one exchange with a bucket.
const (
	s3Answer = 30 * time.Second // until the response begins
	s3Tries  = 3
)

func openBucket(ctx context.Context, l Location) (*blob.Bucket, *s3.Client, error) {
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.ResponseHeaderTimeout = s3Answer })
	opts := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithHTTPClient(client), awsconfig.WithRetryMaxAttempts(s3Tries),
		// Compatible stores do not know the newer checksums. Segments are
		// authenticated anyway.
		awsconfig.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenRequired),
		awsconfig.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired),
	}
	if l.Region != "" {
		opts = append(opts, awsconfig.WithRegion(l.Region))
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return nil, nil, fmt.Errorf("files: read the AWS settings: %w", err)
	}
	if cfg.Region == "" {
		if l.Endpoint == "" {
			return nil, nil, errors.New("files: FILES_URL needs a region, or set AWS_REGION")
		}
		cfg.Region = "us-east-1"
	}
	api := s3.NewFromConfig(cfg, func(o *s3.Options) {
		if l.Endpoint != "" {
			o.BaseEndpoint, o.UsePathStyle = &l.Endpoint, true
		}
	})
	bucket, err := s3blob.OpenBucket(ctx, api, l.Bucket, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("files: open the bucket: %w", err)
	}
	return bucket, api, nil
}
