package persistence

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/event"
)

// Config describes the connection to the history. Zero fields take their values
// from DefaultConfig, except URI, which is required.
type Config struct {
	URI      string // mongodb:// or mongodb+srv://; may contain a password, so it is never printed
	Database string

	// Timeout limits each group of writes, and each operation whose context ends
	// later.
	Timeout time.Duration
	// SelectTimeout limits the search for a primary.
	SelectTimeout time.Duration

	// NoWords turns off the search: no tokens of words are stored, and stored
	// ones are ignored.
	NoWords bool

	Hooks   Hooks
	Monitor *event.CommandMonitor // receives every command; may be nil
}

// Hooks report the store's work to metrics. Each may be nil. They are called from
// many goroutines and must not block.
type Hooks struct {
	// Done is called after each round trip. act is from a closed set.
	Done func(act string, took time.Duration, err error)
	// Grouped is called with the number of writes that shared a round trip.
	Grouped func(act string, writes int)
}

// DefaultConfig returns the defaults for everything but the URI.
func DefaultConfig() Config {
	return Config{Database: "chat", Timeout: 10 * time.Second, SelectTimeout: 5 * time.Second}
}

// whole returns the configuration with defaults in place of zero values.
func (c Config) whole() Config {
	d := DefaultConfig()
	c.Database = cmp.Or(c.Database, d.Database)
	c.Timeout = cmp.Or(c.Timeout, d.Timeout)
	c.SelectTimeout = cmp.Or(c.SelectTimeout, d.SelectTimeout)
	return c
}

// Validate returns all faults joined and opens no connection. No error contains
// any part of the URI.
func (c Config) Validate() error {
	var faults []error
	if c.URI == "" {
		faults = append(faults, errors.New("MONGO_URI is required"))
	} else if err := CheckURI(c.URI); err != nil {
		faults = append(faults, fmt.Errorf("MONGO_URI %w", err))
	}
	if len(c.Database) > 63 || strings.ContainsAny(c.Database, "/\\. \"$*<>:|?\x00") {
		faults = append(faults, errors.New("MONGO_DATABASE is not a valid database name"))
	}
	if ReservedDatabase(c.Database) {
		faults = append(faults, errors.New("MONGO_DATABASE names a database that is reserved for the server"))
	}
	if c.Timeout < 0 || c.SelectTimeout < 0 {
		faults = append(faults, errors.New("the timeouts of the history must not be negative"))
	}
	return errors.Join(faults...)
}

// ReservedDatabase reports whether the database is reserved for the server.
func ReservedDatabase(name string) bool {
	return slices.Contains([]string{"admin", "config", "local"}, name)
}

// otherDatabase returns the database that the URI names, if it differs from the
// one in use. The URI's database matters for authentication only.
func (c Config) otherDatabase() string {
	_, rest, _ := strings.Cut(c.URI, "://")
	rest, _, _ = strings.Cut(rest, "?")
	_, name, _ := strings.Cut(rest[strings.LastIndexByte(rest, '@')+1:], "/")
	if name == c.Database || name == "admin" {
		return ""
	}
	return name
}

// String hides the URI.
func (c Config) String() string { return fmt.Sprintf("mongodb %s database %q", redacted, c.Database) }

// GoString hides the URI.
func (c Config) GoString() string { return c.String() }

// LogValue hides the URI.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }
