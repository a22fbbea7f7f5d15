package files

import (
	"context"
	"errors"
	"io"
	"net/url"
	"path"
	"strings"
	"time"

	"chatbox"
	"chatbox/internal/lanes"
	"chatbox/internal/sleep"
)

// Concurrent fetches.
const (
	fetches     = 32 // of a pod
	fetchesEach = 2  // of a user on a pod
)

// fieldURL is the field of a frame that has the address of a file elsewhere.
const fieldURL = "file_url"

// Fetch stores the file at an address that the caller has given, as an upload of
// the caller with the id, and returns its record. If there is a file with the id,
// it is returned and nothing is fetched. fit may refuse the file by its type, and is
// asked as soon as the type is known; nil accepts each type that uploads may have. A
// file of which bytes have arrived counts towards the caller's quota, also if it is
// refused. Fetch takes at most Config.FetchFor and Config.FetchPause, plus the time of
// the scanner, the store and the history.
//
// Errors name the field file_url and never contain the address.
// chatbox.InvalidArgument: the file cannot be had from there. Other codes are those of
// Upload.
//
// Four cases give the same error: the address is not public, its name does not exist,
// its server does not answer, its server does not have the file. So a user cannot
// find out which services run beside the pod. The pod never connects to an address
// that is not public. So the time until the error tells nothing about that address.
// The time could tell whether the pod's resolver knows a name. Therefore the error of
// an address comes no sooner than Config.FetchPause after the fetch began. A failed
// fetch keeps its place among the user's fetches until then, even if the caller
// leaves. That bounds how many requests a user can make a pod send.
func (s *Service) Fetch(ctx context.Context, a chatbox.Actor, id, address string, fit func(contentType string) error) (chatbox.File, error) {
	f, err := s.live(ctx, a.File(id))
	if errors.Is(err, chatbox.NotFound) {
		f, err = s.fetchOnce(ctx, a, id, address, fit)
	} else if err == nil && fit != nil {
		err = fit(f.ContentType)
	}
	if err != nil {
		return chatbox.File{}, ofAddress(err)
	}
	return f, nil
}

// fetchOnce waits for its turn and fetches the file.
func (s *Service) fetchOnce(ctx context.Context, a chatbox.Actor, id, address string, fit func(string) error) (f chatbox.File, err error) {
	waiting, cancel := context.WithTimeout(ctx, s.cfg.FetchFor)
	defer cancel()
	leave, err := s.fetching.Enter(waiting, a.User())
	switch {
	case errors.Is(err, lanes.ErrShare):
		return chatbox.File{}, chatbox.AskedTooMuch(s.cfg.FetchFor, err)
	case err != nil:
		return chatbox.File{}, chatbox.NewError(chatbox.Unavailable, "too many files are fetched at the moment; please try again", err)
	}
	pauseEnds := time.Now().Add(s.cfg.FetchPause)
	fetched := false
	defer func() { leaveAt(pauseEnds, fetched, leave) }()
	f, err = s.fetch(ctx, waiting, a, Incoming{Name: nameAt(address), id: id, fit: fit, fetched: true}, address)
	if fetched = err == nil; !fetched {
		sleep.For(ctx, time.Until(pauseEnds))
	}
	return f, err
}

// leaveAt gives a fetch's place back: at once if it succeeded, else when its pause
// ends. The caller may be gone by then.
func leaveAt(pauseEnds time.Time, fetched bool, leave func()) {
	rest := time.Until(pauseEnds)
	if fetched || rest <= 0 {
		leave()
		return
	}
	time.AfterFunc(rest, leave)
}

// fetch is one fetch. Reads from the network end with network, and the rest of
// the upload ends with ctx.
func (s *Service) fetch(ctx, network context.Context, a chatbox.Actor, in Incoming, address string) (chatbox.File, error) {
	body, size, err := s.deps.Fetcher.Fetch(network, address)
	if err != nil {
		s.deps.Observer.FileUploaded(OutcomeUnfetched, 0)
		if ctx.Err() != nil {
			return chatbox.File{}, interrupted(ctx.Err())
		}
		return chatbox.File{}, chatbox.Invalid(fieldURL, "the file cannot be fetched from this address; please upload it")
	}
	defer body.Close()
	in.Size, in.Body = size, &arriving{body: body, caller: ctx, network: network}
	return s.Upload(ctx, a, in)
}

// interrupted is the error of a fetch whose caller does not wait any longer.
func interrupted(cause error) error {
	return chatbox.NewError(chatbox.Unavailable, "the file was not fetched in time; please try again", cause)
}

// arriving is the body of a fetched file.
type arriving struct {
	body            io.Reader
	caller, network context.Context //nolint:containedctx // a reader has no argument for them; it ends with Fetch
}

// Read returns errors for the client. The cause is left out, because it may
// contain addresses. The end of a body counts only while the network is awaited: a
// server that sees the connection close may end its response properly, and the
// beginning of a file would be taken for the whole.
func (r *arriving) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	switch {
	case err == nil:
		return n, nil
	case r.caller.Err() != nil:
		return n, interrupted(r.caller.Err())
	case r.network.Err() != nil:
		return n, chatbox.Invalid(fieldURL, "the file took too long to arrive; please upload it")
	case errors.Is(err, io.EOF):
		return n, err
	default:
		return n, chatbox.Invalid(fieldURL, "the file did not arrive completely")
	}
}

// nameAt is the last segment of the path of an address.
func nameAt(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return path.Base(u.Path)
}

// ofAddress lets an error of an upload name the field of the address.
func ofAddress(err error) error {
	coded, ok := errors.AsType[*chatbox.Error](err)
	if !ok || coded.Field != "file" {
		return err
	}
	named := *coded
	named.Field = fieldURL
	named.Message = fieldURL + ": " + strings.TrimPrefix(coded.Message, "file: ")
	return &named
}
