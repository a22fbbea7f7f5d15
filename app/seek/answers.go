// Package seek finds answers by their ids.
package seek

import (
	"context"
	"errors"
	"time"

	"chatbox"
	"chatbox/internal/lanes"
)

// ErrBusy reports that searches of others were in the way. The user's own searches
// are lanes.ErrShare.
var ErrBusy = errors.New("answers are looked for at the moment")

// Answers finds answers by their ids. In a long session that takes the processor
// for a while, so a pod makes one search at a time, and a user's searches take at
// most a quarter of the time. It is safe for concurrent use.
type Answers struct{ lanes *lanes.Lanes[chatbox.UserKey] }

// NewAnswers returns the searches of a pod.
func NewAnswers() *Answers {
	return &Answers{lanes.New[chatbox.UserKey](lanes.Config{All: 1, Each: 1, Part: 4})}
}

// Acts counts the searches that run or wait.
func (a *Answers) Acts() int { return a.lanes.Acts() }

// Key returns the key of the session's answer with the id. It waits for its turn
// for at most wait, and then returns ErrBusy or lanes.ErrShare, wrapped.
// chatbox.NotFound: the session has no such answer.
func (a *Answers) Key(ctx context.Context, wait time.Duration, u chatbox.UserKey, sess chatbox.Session, id string) (string, error) {
	leave, err := a.enter(ctx, wait, u)
	if err != nil {
		return "", err
	}
	defer leave()
	key, err := chatbox.FindAnswer(ctx, sess.Key, id, sess.State.Head)
	if errors.Is(err, chatbox.NotFound) {
		err = NoSuchAnswer()
	}
	return key, err
}

func (a *Answers) enter(ctx context.Context, wait time.Duration, u chatbox.UserKey) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	leave, err = a.lanes.Enter(ctx, u)
	if err != nil && !errors.Is(err, lanes.ErrShare) {
		err = errors.Join(ErrBusy, err)
	}
	return leave, err
}

// NoSuchAnswer refuses an answer that does not exist for the caller.
func NoSuchAnswer() error { return chatbox.NewError(chatbox.NotFound, "no such answer", nil) }
