// Package files uploads, reads and ends files: the use cases. A file's content is
// stored before its record, so a file with a record is complete, and a content
// without one is swept.
package files

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"chatbox"
	"chatbox/app/files/internal/kind"
	"chatbox/internal/lanes"
)

// Config sets what is accepted.
type Config struct {
	Types       []string      // short names of types; see Types
	Max         int64         // bytes of one file
	BytesPerDay int64         // of one user
	FilesPerDay int           // of one user
	LinkTTL     time.Duration // how long a link is valid
	FetchFor    time.Duration // how long a file elsewhere may take to arrive
	FetchPause  time.Duration // no fetch fails sooner
	RenewEvery  time.Duration // how often an upload renews its reservation of quota
	SweepEvery  time.Duration
	UnusedFor   time.Duration // a file that no session uses is removed after this time
	StrayFor    time.Duration // a blob without a record is removed after this time
}

// Types lists the short names of the types that can be accepted.
func Types() []string { return kind.Names() }

// CheckTypes returns an error for an unknown type, and for none.
func CheckTypes(types []string) error {
	if len(types) == 0 {
		return errors.New("must name a type")
	}
	for _, t := range types {
		if _, ok := kind.TypeOf(t); !ok {
			return errors.New("may contain only " + strings.Join(Types(), ", "))
		}
	}
	return nil
}

// DefaultConfig has the values of the contract.
func DefaultConfig() Config {
	return Config{
		Types: Types(), Max: 100 << 20, BytesPerDay: 1 << 30, FilesPerDay: 200, LinkTTL: 5 * time.Minute,
		FetchFor: 5 * time.Second, FetchPause: time.Second, RenewEvery: 30 * time.Second,
		SweepEvery: time.Minute, UnusedFor: 24 * time.Hour, StrayFor: time.Hour,
	}
}

// Deps are what a Service works through. Without Blobs there are no uploads and
// no reads, and erasures end the records only. Scanner, Texts and Fetcher may be nil;
// all else is required.
type Deps struct {
	Blobs    Blobs
	Records  Records
	Quota    Quota
	Sessions Sessions
	Watchers Watchers
	Audit    Audit
	Scanner  Scanner
	Texts    Texts   // nil: only plain text is read
	Fetcher  Fetcher // nil: Fetch must not be called
	Signer   Signer
	Observer Observer
	Logger   *slog.Logger
	Clock    func() time.Time
}

// pictureMemory bounds the memory of all pictures that are decoded at once. A
// picture that needs more is decoded alone.
const pictureMemory = 24 << 20

// Service is safe for concurrent use.
type Service struct {
	cfg      Config
	deps     Deps
	decoding *semaphore.Weighted
	fetching *lanes.Lanes[chatbox.UserKey]
	owned    atomic.Bool // the store belongs to the history
	owning   sync.Mutex  // held while that is found out
}

// New makes a service; Run does its background work.
func New(cfg Config, d Deps) *Service {
	return &Service{
		cfg: cfg, deps: d, decoding: semaphore.NewWeighted(pictureMemory),
		fetching: lanes.New[chatbox.UserKey](lanes.Config{All: fetches, Each: fetchesEach}),
	}
}

// Accepts returns the short names of the types that are accepted, and the largest
// size in bytes.
func (s *Service) Accepts() (types []string, most int64) { return s.cfg.Types, s.cfg.Max }

func (s *Service) now() time.Time { return s.deps.Clock().UTC().Truncate(time.Millisecond) }

func (s *Service) accepts(contentType string) bool {
	return slices.Contains(s.cfg.Types, kind.NameOf(contentType))
}

func badType(message string) *chatbox.Error {
	return &chatbox.Error{Code: chatbox.FileType, Field: "file", Message: message}
}

func badSize(message string) *chatbox.Error {
	return &chatbox.Error{Code: chatbox.FileSize, Field: "file", Message: message}
}
