package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"chatbox"
	"chatbox/app/config"
	"chatbox/internal/outage"
	"chatbox/persistence"
	"chatbox/providers/clamd"
	filestore "chatbox/providers/files"
)

// blobs is the file store as the check needs it.
type blobs interface {
	Write(ctx context.Context, name string, k chatbox.FileKey, part string, fill func(io.Writer) error) error
	Read(ctx context.Context, name string, k chatbox.FileKey, part string, size, from, n int64) (io.ReadCloser, error)
	Each(ctx context.Context, prefix string, visit func(name string, written time.Time) error) error
	Delete(ctx context.Context, name string) error
	Close() error
}

const (
	// probeName begins the names of the doctor's objects. Those of files do not.
	probeName = "doctor-probe-"
	probeText = "written by chatbox doctor, and to be removed"
	cleanWait = 3 * time.Second
)

// lookAtFiles examines the file store with an object of its own, which it
// removes again.
func lookAtFiles(ctx context.Context, cfg config.Files, keys *persistence.Keyring) []Finding {
	const name = "files"
	if !cfg.Location.Set() {
		return []Finding{off(name, "FILES_URL")}
	}
	if folder := cfg.Location.Folder; folder != "" {
		if at, err := os.Stat(folder); errors.Is(err, os.ErrNotExist) {
			return one(Warn, name, fmt.Sprintf("%s does not exist, and a pod would create it: check that the volume is mounted there", cfg.Location))
		} else if err == nil && !at.IsDir() {
			return one(Fail, name, cfg.Location.String()+" is no folder. Correct FILES_URL")
		}
	}
	store, err := filestore.Open(ctx, cfg.Location, keys)
	if err != nil {
		return one(Fail, name, cfg.Location.String()+": "+causeOf(err)+". Correct FILES_URL")
	}
	defer func() { _ = store.Close() }() // nothing is written any more
	return tryStore(ctx, cfg.Location.String(), store)
}

// tryStore writes, lists, reads and deletes an object.
func tryStore(ctx context.Context, at string, store blobs) []Finding {
	name, k := probeName+strings.ToLower(rand.Text()), chatbox.FileKey{ID: "doctor"}
	act, err := "written", store.Write(ctx, name, k, "probe", func(w io.Writer) error {
		_, err := io.WriteString(w, probeText)
		return err
	})
	if err == nil {
		act, err = "listed", isListed(ctx, store, name)
	}
	if err == nil {
		act, err = "read", isRead(ctx, store, name, k)
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanWait)
	defer cancel()
	if derr := store.Delete(end, name); err == nil && derr != nil {
		return one(Fail, "files", fmt.Sprintf("%s: an object cannot be deleted (%s). Give the pod the right to delete, and remove the object %s", at, causeOf(derr), name))
	}
	if kind := outage.KindOf(err); err != nil && kind != outage.Failed {
		return one(Fail, "files", place{what: "the file store", at: at, setting: "FILES_URL"}.trouble(kind, err))
	}
	if err != nil {
		return one(Fail, "files", fmt.Sprintf("%s: an object cannot be %s (%s). Give the pod credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role) "+
			"with the rights to list, write, read and delete objects there, or correct FILES_URL", at, act, causeOf(err)))
	}
	return one(OK, "files", at+" takes, lists, returns and deletes objects")
}

func isListed(ctx context.Context, store blobs, name string) error {
	found := false
	err := store.Each(ctx, name, func(string, time.Time) error { found = true; return nil })
	if err == nil && !found {
		err = errors.New("the store does not list an object that it has accepted")
	}
	return err
}

func isRead(ctx context.Context, store blobs, name string, k chatbox.FileKey) error {
	r, err := store.Read(ctx, name, k, "probe", int64(len(probeText)), 0, int64(len(probeText)))
	if err != nil {
		return err
	}
	text, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err == nil && string(text) != probeText {
		err = errors.New("the store returns other bytes than it was given")
	}
	return err
}

// lookAtScanner asks the virus scanner for its version.
func lookAtScanner(ctx context.Context, address string) []Finding {
	const name, setting = "clamd", "CLAMD_ADDR"
	if address == "" {
		return []Finding{off(name, setting)}
	}
	scanner, err := clamd.New(address)
	if err != nil {
		return one(Fail, name, setting+" "+causeOf(err))
	}
	version, err := scanner.Version(ctx)
	if err != nil {
		at := place{what: "ClamAV", at: address, setting: setting}
		return one(Fail, name, at.trouble(outage.KindOf(err), err)+" Uploads fail with 503 until then.")
	}
	return one(OK, name, address+" answers: "+version)
}
