package files

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"chatbox"
	"chatbox/app/files/internal/kind"
	"chatbox/app/files/internal/picture"
)

// Incoming is a file that a client sends.
type Incoming struct {
	Name string    // what the client calls it
	Size int64     // a lower bound of the file's size, at most 64 KiB too low; -1: unknown
	Body io.Reader // fails if the file is not the whole request
	Key  string    // idempotency key; may be empty

	id      string                         // of the file; empty: a new one, or that of Key
	fit     func(contentType string) error // may refuse a type that is accepted; may be nil
	fetched bool                           // the pod fetches it: bytes that have arrived count even if the upload fails
}

// Outcomes of uploads, for metrics.
const (
	OutcomeStored  = "stored"
	OutcomeRepeat  = "repeat"
	OutcomeRefused = "refused" // by type, size, quota or the scanner
	OutcomeBroken  = "broken"  // the client went away or sent rubbish
	OutcomeFailed  = "failed"

	OutcomeUnfetched = "unfetched" // an address elsewhere did not give the file
)

// Outcomes lists all outcomes.
func Outcomes() []string {
	return []string{OutcomeStored, OutcomeRepeat, OutcomeRefused, OutcomeBroken, OutcomeFailed, OutcomeUnfetched}
}

// cleanupWait is how long the removal of a refused upload may take. The sweep
// removes the rest.
const cleanupWait = 10 * time.Second

// slack is how much longer than Incoming.Size a file may be.
const slack = 64 << 10

// First returns the file of an earlier upload by the caller with the key, or
// chatbox.NotFound.
func (s *Service) First(ctx context.Context, a chatbox.Actor, key string) (chatbox.File, error) {
	if key == "" {
		return chatbox.File{}, chatbox.NoSuchFile()
	}
	f, err := s.deps.Records.Get(ctx, chatbox.FileKey{Tenant: a.Tenant, ID: chatbox.RepeatableFileID(a.User(), key)})
	if err == nil && f.Gone {
		err = chatbox.NoSuchFile()
	}
	if err == nil {
		s.deps.Observer.FileUploaded(OutcomeRepeat, 0)
	}
	return f, err
}

// Upload stores a file of the caller. When it returns nil, content and record are
// durable. When it fails, nothing of the file stays, and the quota is as before,
// except that a fetched file counts with the bytes that came. A concurrent repeat
// with the same key gets the file of whichever was first.
func (s *Service) Upload(ctx context.Context, a chatbox.Actor, in Incoming) (chatbox.File, error) {
	u := &upload{s: s, actor: a, in: in}
	f, err := u.run(ctx)
	u.finish(ctx, err)
	size := f.Size
	if u.repeat {
		size = 0
	}
	s.deps.Observer.FileUploaded(u.outcome(err), size)
	return f, err
}

// upload is one upload.
type upload struct {
	s     *Service
	actor chatbox.Actor
	in    Incoming

	file     chatbox.File
	day      string
	granted  int64
	wait     time.Duration // until a reservation of another upload lapses; 0: the day's quota is used up
	reserved bool
	first    string   // the name of the reservation: that of the first blob
	blobs    []string // written; without the one that has a record
	repeat   bool
	source   source
}

func (u *upload) run(ctx context.Context) (chatbox.File, error) {
	now := u.s.now()
	id := chatbox.FileID(rand.Text())
	switch {
	case u.in.id != "":
		id = u.in.id
	case u.in.Key != "":
		id = chatbox.RepeatableFileID(u.actor.User(), u.in.Key)
	}
	u.file = chatbox.File{
		Key: u.actor.File(id), Owner: u.actor.UserID, Name: chatbox.CleanFileName(u.in.Name), CreatedAt: now,
	}
	u.day = now.Format(time.DateOnly)
	if err := u.s.own(ctx); err != nil {
		return chatbox.File{}, err
	}
	if err := u.reserve(ctx, now); err != nil {
		return chatbox.File{}, err
	}
	defer u.renew(ctx)()
	if err := u.store(ctx); err != nil {
		return chatbox.File{}, err
	}
	if u.in.fit != nil {
		if err := u.in.fit(u.file.ContentType); err != nil {
			return chatbox.File{}, err
		}
	}
	if err := u.scan(ctx); err != nil {
		return chatbox.File{}, err
	}
	return u.record(ctx)
}

// newBlobName returns a random name. It is spread over folders.
func newBlobName() string {
	name := strings.ToLower(rand.Text())
	return name[:2] + "/" + name
}

func (u *upload) tooLarge() error {
	return badSize(fmt.Sprintf("the file is larger than %d bytes", u.s.cfg.Max))
}

// source counts what comes from the client, and remembers its error, to tell it
// from one of the store.
type source struct {
	src   io.Reader
	n     int64
	max   int64
	over  func() error
	err   error
	ended bool
}

func (r *source) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := r.src.Read(p)
	if r.n += int64(n); r.n > r.max {
		n, err = 0, r.over()
	}
	if err != nil {
		r.err, r.ended = err, errors.Is(err, io.EOF)
	}
	return n, err
}

// store streams the content into a sealed blob and then completes what only the
// whole file tells.
func (u *upload) store(ctx context.Context) error {
	most := u.granted
	u.source = source{src: u.in.Body, max: min(most, u.s.cfg.Max), over: u.overBy}
	var facts picture.Facts
	u.blobs = append(u.blobs, u.file.Blob)
	err := u.s.deps.Blobs.Write(ctx, u.file.Blob, u.file.Key, partContent, func(w io.Writer) (err error) {
		count := &counter{w: w}
		facts, err = u.receive(count)
		u.file.Size = count.n
		return err
	})
	if u.source.err != nil && !u.source.ended {
		return u.broken(u.source.err)
	}
	switch {
	case errors.Is(err, picture.ErrTooBig):
		return badSize(err.Error())
	case errors.Is(err, picture.ErrDamaged):
		return badType(err.Error())
	case err != nil:
		return err
	}
	return u.complete(ctx, facts)
}

// overBy is the error for a file that exceeds the maximum or the user's quota.
func (u *upload) overBy() error {
	if u.granted >= u.s.cfg.Max {
		return u.tooLarge()
	}
	return u.overQuota(u.s.now())
}

// broken is the error for a request that the client did not finish.
func (u *upload) broken(err error) error {
	if _, coded := errors.AsType[*chatbox.Error](err); coded {
		return err
	}
	return &chatbox.Error{Code: chatbox.InvalidArgument, Field: "file", Message: "file: did not arrive completely", Err: err}
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// receive finds out what the file is and copies it.
func (u *upload) receive(w io.Writer) (picture.Facts, error) {
	r := bufio.NewReaderSize(&u.source, kind.Head)
	head, err := r.Peek(kind.Head)
	if err != nil && !errors.Is(err, io.EOF) {
		return picture.Facts{}, err
	}
	if len(head) == 0 {
		return picture.Facts{}, chatbox.Invalid("file", "is empty")
	}
	u.file.ContentType = kind.Of(head)
	switch {
	case u.file.ContentType == kind.Zip, u.file.ContentType == kind.MP4: // the whole file tells
	case !u.s.accepts(u.file.ContentType):
		return picture.Facts{}, u.badType()
	}
	if err := u.mayFit(); err != nil {
		return picture.Facts{}, err
	}
	if u.file.Picture() {
		return picture.Strip(u.file.ContentType, w, r)
	}
	if kind.IsText(u.file.ContentType) && !bytes.HasPrefix(head, []byte{0xFF, 0xFE}) && !bytes.HasPrefix(head, []byte{0xFE, 0xFF}) {
		w = textOnly{w}
	}
	_, err = io.Copy(w, r)
	return picture.Facts{}, err
}

// mayFit returns an error if no type that the file may turn out to have fits.
func (u *upload) mayFit() error {
	if u.in.fit == nil {
		return nil
	}
	var refused error
	for _, t := range kind.MayBe(u.file.ContentType) {
		if refused = u.in.fit(t); refused == nil {
			return nil
		}
	}
	return refused
}

func (u *upload) badType() error {
	return badType("files of the type " + u.file.ContentType + " are not accepted")
}

// textOnly refuses what begins as text and continues as something else.
type textOnly struct{ w io.Writer }

func (t textOnly) Write(p []byte) (int, error) {
	if bytes.IndexByte(p, 0) >= 0 {
		return 0, badType("the file is neither text nor anything else that is accepted")
	}
	return t.w.Write(p)
}

// scan asks the virus scanner.
func (u *upload) scan(ctx context.Context) error {
	if u.s.deps.Scanner == nil {
		return nil
	}
	content, err := u.s.read(ctx, u.file, partContent, u.file.Size, 0, u.file.Size)
	if err != nil {
		return err
	}
	defer content.Close()
	began := u.s.deps.Clock()
	found, err := u.s.deps.Scanner.Scan(ctx, content)
	u.s.deps.Observer.FileScanned(u.s.deps.Clock().Sub(began))
	if err != nil {
		return &chatbox.Error{Code: chatbox.Unavailable, Message: "files cannot be checked at the moment; please try again", Err: err}
	}
	if found != "" {
		return &chatbox.Error{
			Code: chatbox.FileInfected, Field: "file", Message: "the virus scanner refuses this file", Err: fmt.Errorf("found %q", found),
		}
	}
	return nil
}

// record makes the file exist. The record of a concurrent repeat stands.
func (u *upload) record(ctx context.Context) (chatbox.File, error) {
	stands, first, err := u.s.create(ctx, u.file)
	if err != nil {
		return chatbox.File{}, err
	}
	if first {
		u.keepBlob()
	}
	u.repeat = !first
	return stands, nil
}

// keepBlob leaves the content of the file out of what finish removes.
func (u *upload) keepBlob() {
	u.blobs = slices.DeleteFunc(u.blobs, func(name string) bool { return name == u.file.Blob })
}

// finish removes what is left over and settles the quota, also when the client is
// gone.
func (u *upload) finish(ctx context.Context, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupWait)
	defer cancel()
	if chatbox.IsTransient(err) && len(u.blobs) > 0 && u.s.recorded(ctx, u.file) {
		u.keepBlob()
	}
	for _, name := range u.blobs {
		if derr := u.s.deps.Blobs.Delete(ctx, name); derr != nil {
			u.s.deps.Logger.WarnContext(ctx, "blob of a refused upload left to the sweep", "error", derr)
		}
	}
	if !u.reserved {
		return
	}
	size := max(u.source.n, u.file.Size) // a turned picture may be larger than what came
	switch {
	case err != nil && u.in.fetched:
		size = u.source.n
	case err != nil, u.repeat:
		size = 0
	}
	if serr := u.s.deps.Quota.SettleFile(ctx, u.actor.User(), u.day, u.reservation(), size); serr != nil {
		u.s.deps.Logger.DebugContext(ctx, "quota of an upload not settled", "error", serr)
	}
}

func (u *upload) outcome(err error) string {
	switch chatbox.CodeOf(err) {
	case "":
		if u.repeat {
			return OutcomeRepeat
		}
		return OutcomeStored
	case chatbox.FileType, chatbox.FileSize, chatbox.FileInfected, chatbox.RateLimited:
		return OutcomeRefused
	case chatbox.InvalidArgument, chatbox.MissingField:
		return OutcomeBroken
	default:
		return OutcomeFailed
	}
}
