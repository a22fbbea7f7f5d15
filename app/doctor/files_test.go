package doctor

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/config"
	"chatbox/persistence"
	filestore "chatbox/providers/files"
)

// fakeStore is a file store of one object, with the faults that fields name.
type fakeStore struct {
	object                    []byte
	write, list, read, delete error
	hides, alters             bool
}

func (f *fakeStore) Close() error { return nil }

func (f *fakeStore) Write(_ context.Context, _ string, _ chatbox.FileKey, _ string, fill func(io.Writer) error) error {
	var b bytes.Buffer
	if err := fill(&b); err != nil || f.write != nil {
		return f.write
	}
	f.object = b.Bytes()
	if f.alters {
		f.object[0]++
	}
	return nil
}

func (f *fakeStore) Read(context.Context, string, chatbox.FileKey, string, int64, int64, int64) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(f.object)), f.read
}

func (f *fakeStore) Each(_ context.Context, prefix string, visit func(string, time.Time) error) error {
	if f.hides || f.list != nil {
		return f.list
	}
	return visit(prefix, time.Now())
}

func (f *fakeStore) Delete(ctx context.Context, _ string) error {
	if ctx.Err() == nil && f.delete == nil {
		f.object = nil
	}
	return f.delete
}

func TestFiles_Findings(t *testing.T) {
	for name, c := range map[string]struct {
		store fakeStore
		level Level
		says  string
	}{
		"good":      {fakeStore{}, OK, "takes, lists, returns and deletes"},
		"no write":  {fakeStore{write: errBroken}, Fail, "cannot be written (it is broken)"},
		"no list":   {fakeStore{list: errBroken}, Fail, "cannot be listed"},
		"hides":     {fakeStore{hides: true}, Fail, "does not list"},
		"no read":   {fakeStore{read: errBroken}, Fail, "cannot be read"},
		"alters":    {fakeStore{alters: true}, Fail, "other bytes"},
		"no delete": {fakeStore{delete: errBroken}, Fail, "remove the object doctor-probe-"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // the object is removed also after that
			requireLine(t, tryStore(ctx, "s3://b", &c.store), c.level, "files", "s3://b", c.says)
			if c.store.delete == nil {
				assert.Nil(t, c.store.object, "removed again")
			}
		})
	}
}

func TestFiles_InAFolder(t *testing.T) {
	keys, err := persistence.NewKeyring([]persistence.Key{{ID: "a", Secret: [32]byte{1}}})
	require.NoError(t, err)
	look := func(folder string) []Finding {
		return lookAtFiles(t.Context(), config.Files{Location: filestore.Location{Folder: folder}}, keys)
	}
	folder := t.TempDir()
	requireLine(t, look(folder), OK, "files", "file://"+folder)
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Empty(t, left)
	requireLine(t, look(""), OK, "files", "not configured (FILES_URL)")

	missing := filepath.Join(folder, "missing")
	requireLine(t, look(missing), Warn, "files", "does not exist", "mounted")
	assert.NoDirExists(t, missing, "the doctor creates nothing")
	require.NoError(t, os.WriteFile(missing, nil, 0o600))
	requireLine(t, look(missing), Fail, "files", "is no folder")
}

func TestScanner_Findings(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	requireLine(t, lookAtScanner(ctx, ""), OK, "clamd", "not configured")
	requireLine(t, lookAtScanner(ctx, closed(t)), Fail, "clamd", "connection refused", "Start ClamAV or correct CLAMD_ADDR")
	requireLine(t, lookAtScanner(ctx, greeter(t, "ClamAV 1.4.3/27000/Mon\x00")), OK, "clamd", "ClamAV 1.4.3")
	requireLine(t, lookAtScanner(ctx, greeter(t, "SSH-2.0\x00")), Fail, "clamd", "SSH-2.0")
	requireLine(t, lookAtScanner(ctx, hung(t)), Fail, "clamd", "no answer in time")
}
