package history

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"time"

	"chatbox"
)

// shareToken is the number of random bytes in a share's token.
const shareToken = 32

// errNoShare is the error for every token that opens nothing: it is unknown,
// expired or revoked, or its session was erased.
var errNoShare = chatbox.NewError(chatbox.NotFound, "no such share", nil)

// Share creates a link to the caller's session as of now. Anyone with the
// token can read it until life is over. Earlier links stay valid.
func (s *Service) Share(ctx context.Context, a chatbox.Actor, sessionID string, life time.Duration) (token string, sh chatbox.Share, err error) {
	sess, err := s.log.Owned(ctx, a, sessionID)
	if err != nil {
		return "", chatbox.Share{}, err
	}
	var secret [shareToken]byte
	_, _ = rand.Read(secret[:]) // never fails (crypto/rand)
	token = base64.RawURLEncoding.EncodeToString(secret[:])
	at := s.log.Now()
	sh = chatbox.Share{Session: sess.Key, Name: sess.Name, Head: sess.State.Head, CreatedAt: at, ExpiresAt: at.Add(life)}
	if err := s.deps.Shares.Add(ctx, token, sh); err != nil {
		return "", chatbox.Share{}, err
	}
	return token, sh, nil
}

// Unshare revokes all links to the caller's session. It is no error if there
// are none.
func (s *Service) Unshare(ctx context.Context, a chatbox.Actor, sessionID string) error {
	sess, err := s.log.Owned(ctx, a, sessionID)
	if err != nil {
		return err
	}
	return s.deps.Shares.Revoke(ctx, sess.Key)
}

// Shared returns the session as of the share's creation. Every invalid token
// gives the same chatbox.NotFound.
func (s *Service) Shared(ctx context.Context, token string) (chatbox.Share, Pages, error) {
	if raw, err := base64.RawURLEncoding.Strict().DecodeString(token); err != nil || len(raw) != shareToken {
		return chatbox.Share{}, nil, errNoShare
	}
	sh, err := s.deps.Shares.ByToken(ctx, token)
	if err == nil && !sh.ExpiresAt.After(s.log.Now()) {
		err = errNoShare
	}
	if err == nil {
		var sess chatbox.Session
		if sess, err = s.deps.Sessions.Load(ctx, sh.Session); err == nil && sess.Erased {
			err = errNoShare
		}
	}
	switch {
	case errors.Is(err, chatbox.NotFound):
		return chatbox.Share{}, nil, errNoShare
	case err != nil:
		return chatbox.Share{}, nil, err
	}
	return sh, s.pages(ctx, sh.Session, sh.Head, inNoTurn), nil
}
