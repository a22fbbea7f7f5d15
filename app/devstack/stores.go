package devstack

import (
	"context"
	"fmt"
	"path/filepath"

	"chatbox/app"
	"chatbox/app/alert"
	"chatbox/app/files"
	"chatbox/app/privacy"
	"chatbox/persistence"
	"chatbox/persistence/embedded"
	filestore "chatbox/providers/files"
)

var (
	_ app.MessageStore   = (*embedded.Messages)(nil)
	_ app.SessionStore   = (*embedded.Sessions)(nil)
	_ app.TurnStore      = (*embedded.Turns)(nil)
	_ alert.Store        = (*embedded.Alerts)(nil)
	_ privacy.Tombstones = (*embedded.Sessions)(nil)
	_ app.ShareStore     = (*embedded.Shares)(nil)
	_ app.AuditLog       = (*embedded.Audit)(nil)
	_ files.Records      = (*embedded.Files)(nil)
)

// openStores opens the history: the configured server, or the SQLite file.
func (s *Stack) openStores(ctx context.Context) error {
	if s.cfg.MongoURI != "" {
		stores, closer, err := app.OpenMongo(ctx, persistence.Config{
			URI: s.cfg.MongoURI, Database: s.cfg.MongoName, NoWords: s.cfg.NoWords,
		}, s.keys, s.cfg.Logger)
		if err != nil {
			return err
		}
		s.stores = stores
		s.closers = append(s.closers, closer)
		return nil
	}
	st, err := embedded.OpenConfig(ctx, embedded.Config{
		Path: filepath.Join(s.cfg.Data, "history.db"), NoWords: s.cfg.NoWords,
	}, s.keys)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, st.Close)
	if err := st.CheckKeys(ctx); err != nil {
		return fmt.Errorf("the history under %s: %w", s.cfg.Data, err)
	}
	s.stores = app.Stores{
		Messages: st.Messages(), Sessions: st.Sessions(), Turns: st.Turns(), Tombs: st.Sessions(), Shares: st.Shares(),
		Alerts: st.Alerts(), Transcripts: st.Transcripts(), Audit: st.Audit(), Ledger: st.Sessions(), Concurrency: st.Concurrency(), Erasures: st.Sessions(), Cards: st.Cards(), Withdrawals: st.Withdrawals(), Ping: st.Ping,
		Kind:    embedded.Kind,
		Queue:   st.Sessions(),
		Ratings: st.Sessions(), Feedback: st.Messages(),
		Labels: st.Sessions(),
		Finder: st.Search(),
		Blocks: st.Blocks(),
		Peers:  st.Peers(),
		Files:  st.Files(),
	}
	return nil
}

// openFiles opens the folder of uploaded files, unless a store was passed.
func (s *Stack) openFiles(ctx context.Context) error {
	s.files = s.cfg.Files
	s.files.Signer = s.keys
	if s.files.Blobs != nil {
		return nil
	}
	folder, err := filepath.Abs(filepath.Join(s.cfg.Data, "files"))
	if err != nil {
		return fmt.Errorf("the folder of files: %w", err)
	}
	store, err := filestore.Open(ctx, filestore.Location{Folder: folder}, s.keys)
	if err != nil {
		return err
	}
	s.files.Blobs = store
	s.closers = append(s.closers, func(context.Context) error { return store.Close() })
	return nil
}
