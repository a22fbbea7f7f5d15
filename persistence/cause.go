package persistence

import (
	"errors"
	"fmt"
	"strings"

	"chatbox/internal/outage"

	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/x/mongo/driver/topology"
)

// Server error codes whose cause an operator can fix.
const (
	codeUnauthorized   = 13
	codeAuthFailed     = 18
	codeOptionsDiffer  = 85
	codeKeysDiffer     = 86
	codeOtherCase      = 13297
	codeDuplicate      = 11000
	codeAtlasAuth      = 8000
	codeNotPrimary     = 10107
	codeNotPrimaryRead = 13435
)

// Cause adds to an error of the history its kind and, where known, how to fix it.
// The text is for operators and contains no credentials.
func Cause(err error) error {
	if err == nil {
		return nil
	}
	if s, ok := errors.AsType[topology.ServerSelectionError](err); ok {
		if why := lastError(s); why != nil {
			err = why // why the server selection failed
		}
	}
	server, ok := errors.AsType[mongo.ServerError](err)
	has := func(codes ...int) bool {
		for _, c := range codes {
			if ok && server.HasErrorCode(c) {
				return true
			}
		}
		return false
	}
	switch text := err.Error(); {
	case has(codeUnauthorized):
		return outage.As(outage.Permission, fmt.Errorf("MONGO_URI's user needs the role readWrite on MONGO_DATABASE: %w", err))
	case has(codeAuthFailed, codeAtlasAuth), strings.Contains(text, "auth error"), strings.Contains(text, "Authentication failed"):
		return outage.As(outage.Authentication, fmt.Errorf("MongoDB refuses MONGO_URI's user or password (authSource names the database of the user): %w", err))
	case has(codeOtherCase):
		return fmt.Errorf("MONGO_DATABASE differs from an existing database only in upper and lower case: %w", err)
	case has(codeOptionsDiffer, codeKeysDiffer):
		return fmt.Errorf("an index with one of this program's names exists with other fields; drop it: %w", err)
	case has(codeDuplicate):
		return fmt.Errorf("a unique index cannot be created because some documents have the same key; does another program use this database? %w", err)
	case has(codeNotPrimary, codeNotPrimaryRead):
		return outage.As(outage.NoPrimary, err)
	default:
		return err
	}
}

// lastError returns the reason why one of the servers cannot be used.
func lastError(s topology.ServerSelectionError) error {
	for _, server := range s.Desc.Servers {
		if server.LastError != nil {
			return server.LastError
		}
	}
	return nil
}
