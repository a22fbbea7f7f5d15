package fakes

import (
	"context"
	"slices"
	"sync"

	"chatbox"
)

// Files are uploaded files in memory. Only their uploader may use them. It is safe
// for concurrent use.
type Files struct {
	mu    sync.Mutex // guards following
	files map[chatbox.FileKey]chatbox.File
	fail  error
	types map[string]string // of what can be fetched, by address
	asked []string          // addresses that were fetched
}

// NewFiles makes a store without files.
func NewFiles() *Files { return &Files{files: map[chatbox.FileKey]chatbox.File{}} }

// Put stores a file.
func (f *Files) Put(file chatbox.File) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files[file.Key] = file
}

// Lose makes a file gone.
func (f *Files) Lose(k chatbox.FileKey) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.files, k)
}

// Sessions returns the sessions that use the file.
func (f *Files) Sessions(k chatbox.FileKey) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.files[k].Sessions)
}

// Elsewhere puts a file of the type at an address, from which Fetch gets it.
func (f *Files) Elsewhere(address, contentType string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.types == nil {
		f.types = map[string]string{}
	}
	f.types[address] = contentType
}

// Fetched returns the addresses that Fetch has contacted.
func (f *Files) Fetched() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked)
}

// Fetch stores what Elsewhere has put at the address.
func (f *Files) Fetch(_ context.Context, a chatbox.Actor, id, address string, fit func(string) error) (chatbox.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if file, ok := f.files[a.File(id)]; ok {
		return file, fit(file.ContentType)
	}
	f.asked = append(f.asked, address)
	contentType, ok := f.types[address]
	if !ok {
		return chatbox.File{}, chatbox.Invalid("file_url", "cannot be fetched")
	}
	file := chatbox.File{Key: a.File(id), Owner: a.UserID, Name: "fetched", ContentType: contentType, Size: 1}
	if err := fit(contentType); err != nil {
		return chatbox.File{}, err
	}
	f.files[file.Key] = file
	return file, nil
}

// FailUse makes Use return err; nil ends that.
func (f *Files) FailUse(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = err
}

// Usable returns the files if the caller uploaded all of them.
func (f *Files) Usable(_ context.Context, a chatbox.Actor, _ chatbox.SessionKey, field string, ids []string) ([]chatbox.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.usableLocked(a, field, ids)
}

func (f *Files) usableLocked(a chatbox.Actor, field string, ids []string) ([]chatbox.File, error) {
	found := make([]chatbox.File, len(ids))
	for i, id := range ids {
		file, ok := f.files[a.File(id)]
		if !ok || file.Owner != a.UserID {
			return nil, &chatbox.Error{Code: chatbox.NotFound, Field: field, Message: field + ": no such file"}
		}
		found[i] = file
	}
	return found, nil
}

// Use is Usable, and records the session.
func (f *Files) Use(_ context.Context, a chatbox.Actor, s chatbox.SessionKey, field string, ids []string) ([]chatbox.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return nil, f.fail
	}
	found, err := f.usableLocked(a, field, ids)
	for i, file := range found {
		if !file.UsedIn(s.ID) {
			file.Sessions = append(slices.Clone(file.Sessions), s.ID)
		}
		found[i], f.files[file.Key] = file, file
	}
	return found, err
}
