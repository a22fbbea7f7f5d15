package answer

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"chatbox"
	"chatbox/internal/detach"
)

const (
	promptPictures  = 5   // the newest of a prompt
	promptDocuments = 20  // how many a prompt tries to read
	leastText       = 150 // bytes of a document; less says nothing
	readsAtOnce     = 4   // of a pod, of pictures and of documents
)

// reads bounds how many files a pod reads for prompts at once. Documents have
// places of their own, since their extraction can take long.
type reads struct{ pictures, documents chan struct{} }

func newReads() reads {
	return reads{pictures: make(chan struct{}, readsAtOnce), documents: make(chan struct{}, readsAtOnce)}
}

// filling puts the files of a prompt into it, newest first.
type filling struct {
	g         *generation
	sees      bool // the model accepts pictures
	pictures  int  // left to try
	documents int  // left to try
	room      int  // tokens for files
}

// withFiles returns the messages of a prompt with the data of its newest pictures
// and the texts of its documents, as far as the budget allows. Files may use what
// the talk leaves free, or half of the room beside the system prompt and the
// question; the oldest turns are then left out. A document is cut to what fits. A
// file that is gone or cannot be read in time stays a line with name, type and
// size: no file makes an answer fail.
func (g *generation) withFiles(ctx context.Context, lines []line, budget int) []chatbox.PromptMessage {
	attached := func(l line) bool { return len(l.event.Files) > 0 }
	if g.s.deps.Files == nil || !slices.ContainsFunc(lines, attached) {
		return messages(lines)
	}
	ctx, cancel := context.WithTimeout(ctx, g.s.cfg.FileWait)
	defer cancel()
	first, last := leading(lines), len(lines)-1
	used := chatbox.TokensOf(messages(lines[:first])...) + chatbox.TokensOf(lines[last].PromptMessage)
	f := &filling{
		g: g, sees: g.s.deps.LLM.Sees(g.modelID), pictures: promptPictures, documents: promptDocuments,
		room: max((budget-used)/2, budget-chatbox.TokensOf(messages(lines)...)),
	}
	for i := last; i >= first; i-- {
		if i < last {
			used += chatbox.TokensOf(lines[i].PromptMessage)
		}
		if used >= budget {
			break
		}
		cost := f.fill(ctx, &lines[i], min(f.room, budget-used))
		f.room -= cost
		used += cost
	}
	lines, _ = fitLines(lines, budget)
	return messages(lines)
}

// fill puts a message's files into it and returns what they cost.
func (f *filling) fill(ctx context.Context, l *line, room int) (cost int) {
	e := l.event
	before := chatbox.TokensOf(l.PromptMessage)
	files := map[int]given{}
	documents := 0
	for i, a := range slices.Backward(e.Files) {
		switch {
		case e.Type == chatbox.TypeVoiceMessage:
		case document(a):
			documents++
		case a.Picture() && f.sees && f.pictures > 0:
			f.pictures--
			if p := f.picture(ctx, a, room); p != nil {
				files[i] = given{picture: p}
				room -= chatbox.PictureTokens(p.Width, p.Height)
			}
		}
	}
	for i, a := range e.Files {
		if e.Type == chatbox.TypeVoiceMessage || !document(a) {
			continue
		}
		if has := f.document(ctx, a, room/documents); has.text != "" {
			files[i] = has
			room -= chatbox.TokensOf(chatbox.PromptMessage{Content: noteOf(e.Type, a, has)})
		}
		documents--
	}
	if len(files) == 0 {
		return 0
	}
	l.Content = contentOf(e, files)
	for i := range e.Files {
		if p := files[i].picture; p != nil {
			l.Pictures = append(l.Pictures, *p)
		}
	}
	return chatbox.TokensOf(l.PromptMessage) - before
}

// document reports whether a file may have a text.
func document(a chatbox.AttachedFile) bool {
	switch kind, _, _ := strings.Cut(a.ContentType, "/"); kind {
	case "text", "application":
		return true
	default:
		return false
	}
}

// picture reads a picture. It returns nil if there is no room or no picture.
func (f *filling) picture(ctx context.Context, a chatbox.AttachedFile, room int) *chatbox.PromptPicture {
	if room < chatbox.PictureTokens(0, 0) {
		return nil
	}
	s, k := f.g.s, f.g.lease.Session
	p, err := read(ctx, f.g.outlive, s.reads.pictures, func(ctx context.Context) (chatbox.PromptPicture, error) {
		return s.deps.Files.ForModel(ctx, k, a.ID)
	})
	if err != nil {
		f.leftOut(ctx, a, err)
		return nil
	}
	if chatbox.PictureTokens(p.Width, p.Height) > room {
		return nil
	}
	p.Name = a.Name
	return &p
}

// document reads a document's text and cuts it to the room in tokens.
func (f *filling) document(ctx context.Context, a chatbox.AttachedFile, room int) given {
	bare := noteOf("", a, given{text: strings.Repeat("`", maxRun), cut: true})
	most := chatbox.BytesFor(room) - len(bare)
	if f.documents == 0 || most < leastText {
		return given{}
	}
	f.documents--
	s, k := f.g.s, f.g.lease.Session
	has, err := read(ctx, f.g.outlive, s.reads.documents, func(ctx context.Context) (given, error) {
		text, cut, err := s.deps.Files.Text(ctx, k, a.ID)
		return given{text: documentText(text), cut: cut}, err
	})
	if err != nil {
		f.leftOut(ctx, a, err)
		return given{}
	}
	if whole := len(has.text); whole > most {
		has.text, has.cut = cutText(has.text, most), true
	}
	return has
}

// leftOut notes that a file stays a line. The log has no name and no content.
func (f *filling) leftOut(ctx context.Context, a chatbox.AttachedFile, err error) {
	level := slog.LevelWarn
	if errors.Is(err, chatbox.NotFound) || errors.Is(err, chatbox.FileType) {
		level = slog.LevelDebug
	}
	f.g.s.deps.Logger.Log(ctx, level, "a prompt has a file by name only",
		"session", f.g.lease.Session.ID, "type", a.ContentType, "bytes", a.Size, "error", err)
}

// read runs a read in a goroutine of its own and waits for it while ctx allows. The
// read itself may continue in outlive's context and keeps its place until it ends:
// what it makes of the file is there for the next prompt, and a store that hangs
// costs readsAtOnce goroutines and no more.
func read[T any](ctx context.Context, outlive func() (context.Context, context.CancelFunc), places chan struct{}, do func(context.Context) (T, error)) (T, error) { //nolint:ireturn // T is a struct
	var none T
	if ctx.Err() != nil {
		return none, ctx.Err()
	}
	select {
	case places <- struct{}{}:
	case <-ctx.Done():
		return none, ctx.Err()
	}
	return detach.Do(ctx, func() (T, error) { //nolint:contextcheck // the reading may outlive ctx
		defer func() { <-places }()
		work, stop := outlive()
		defer stop()
		return do(work)
	})
}
