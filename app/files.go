package app

import (
	"context"
	"fmt"
	"log/slog"

	"chatbox/app/answer"
	"chatbox/app/api"
	"chatbox/app/config"
	"chatbox/app/conversation"
	"chatbox/app/files"
	"chatbox/internal/publicnet"
	"chatbox/providers/clamd"
	filestore "chatbox/providers/files"
	"chatbox/providers/webfile"
	"chatbox/redisstate"
)

// The parts of files satisfy their ports.
var (
	_ files.Blobs   = (*filestore.Store)(nil)
	_ files.Scanner = (*clamd.Scanner)(nil)
	_ files.Quota   = (*redisstate.Client)(nil)
	_ files.Fetcher = (*webfile.Client)(nil)

	_ answer.Attachments = (*files.Service)(nil)
)

// Files are the settings and parts of uploaded files. Without Blobs there are no
// uploads.
type Files struct {
	files.Config

	Blobs   files.Blobs
	Scanner files.Scanner // nil: files are not scanned
	Texts   files.Texts   // nil: models read plain text only
	Fetcher files.Fetcher // nil: files elsewhere are shown as links
	Signer  files.Signer
}

// fileKeys are the pod's keys as the file store uses them: once they are known to
// be the cluster's.
type fileKeys struct {
	filestore.Keys

	trusted func() bool
}

// DeriveFileKey derives a key of an object.
func (k fileKeys) DeriveFileKey(id string, salt []byte, place ...string) (used string, key []byte, err error) {
	if !k.trusted() {
		return "", nil, errNotTrusted()
	}
	return k.Keys.DeriveFileKey(id, salt, place...)
}

// openFileStore opens the configured file store. Without one it returns nil, and a
// close function that does nothing.
func openFileStore(ctx context.Context, cfg config.Files, keys filestore.Keys, log *slog.Logger) (Files, func(), error) {
	out := Files{Config: files.DefaultConfig()}
	out.Types, out.Max, out.BytesPerDay, out.FilesPerDay, out.LinkTTL = cfg.Types, cfg.Max, cfg.BytesPerDay, cfg.FilesPerDay, cfg.LinkTTL
	if !cfg.Location.Set() {
		return out, func() {}, nil
	}
	store, err := filestore.Open(ctx, cfg.Location, keys)
	if err != nil {
		return out, nil, fmt.Errorf("FILES_URL: %w", err)
	}
	out.Blobs = store
	if cfg.External == config.FilesFetched {
		out.Fetcher = webfile.New(publicnet.Rules{MaxBody: cfg.Max + 1}) // one more tells that it is larger
	}
	if cfg.Clamd != "" {
		if out.Scanner, err = clamd.New(cfg.Clamd); err != nil {
			return out, nil, fmt.Errorf("CLAMD_ADDR: %w", err)
		}
	}
	log.InfoContext(ctx, "uploaded files are stored", "at", cfg.Location.String(), "scanned", out.Scanner != nil, "fetched", out.Fetcher != nil)
	return out, func() {
		if err := store.Close(); err != nil {
			log.DebugContext(ctx, "file store closed with an error", "error", err)
		}
	}, nil
}

// wireFiles creates the use cases of files.
func (a *App) wireFiles(sessions files.Sessions, watch *observer) {
	o := a.opts
	a.files = files.New(o.Files.Config, files.Deps{
		Blobs: o.Files.Blobs, Records: o.Stores.Files, Quota: a.redis, Sessions: sessions, Watchers: a.redis, Audit: o.Stores.Audit,
		Scanner: o.Files.Scanner, Texts: o.Files.Texts, Fetcher: o.Files.Fetcher, Signer: o.Files.Signer, Observer: watch, Logger: a.log, Clock: a.now,
	})
}

// fileUse returns the files that messages may have, or nil.
func (a *App) fileUse() conversation.Files { //nolint:ireturn // nil must be the interface's
	if a.opts.Files.Blobs == nil {
		return nil
	}
	return a.files
}

// fileFetches returns what fetches files elsewhere, or nil.
func (a *App) fileFetches() conversation.Fetches { //nolint:ireturn // nil must be the interface's
	if a.opts.Files.Blobs == nil || a.opts.Files.Fetcher == nil {
		return nil
	}
	return a.files
}

// fileEdge returns the files that the edge serves, or nil.
func (a *App) fileEdge() api.Files { //nolint:ireturn // nil must be the interface's
	if a.opts.Files.Blobs == nil {
		return nil
	}
	return a.files
}

// attachments returns the files that prompts read, or nil.
func (a *App) attachments() answer.Attachments { //nolint:ireturn // nil must be the interface's
	if a.opts.Files.Blobs == nil {
		return nil
	}
	return a.files
}
