package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"chatbox"
	"chatbox/helpdesk"
)

// Blocking blocks users and lists the blocks.
type Blocking interface {
	// Block closes the user's sockets on all pods and refuses the user until the
	// block is lifted or expires. Admins cannot block themselves.
	Block(ctx context.Context, admin chatbox.Actor, b helpdesk.Block) (helpdesk.Block, error)
	Unblock(ctx context.Context, admin chatbox.Actor, userID string) error
	BlockOf(ctx context.Context, a chatbox.Actor, userID string) (b helpdesk.Block, blocked bool, err error)
	BlockList(ctx context.Context, a chatbox.Actor, q helpdesk.BlockQuery) ([]helpdesk.Block, error)
}

const (
	defaultBlocks = 50
	maxBlocks     = 200
	fieldReason   = "reason"
	fieldUntil    = "until"
)

// blockRoutes serve blocked users.
type blockRoutes struct{ blocking Blocking }

func (s *blockRoutes) register(e *edge) {
	p := e.cfg.Prefix
	e.echo.PUT(p+"/admin/users/:id/block", s.blockUser, e.user, e.admin)
	e.echo.DELETE(p+"/admin/users/:id/block", s.unblockUser, e.user, e.admin)
	e.echo.GET(p+"/admin/users/:id/block", s.showBlock, e.user, e.staff)
	e.echo.GET(p+"/admin/blocks", s.listBlocks, e.user, e.staff, e.query)
}

type blockView struct {
	UserID  string `json:"user_id"`
	Blocked bool   `json:"blocked"`
	Reason  string `json:"reason,omitempty"`
	Until   string `json:"until,omitempty"`
	At      string `json:"blocked_at,omitempty"`
	By      string `json:"blocked_by,omitempty"`

	Unreadable bool `json:"unreadable,omitempty"` // no key opens the reason
}

func viewBlock(b helpdesk.Block) blockView {
	v := blockView{UserID: b.User.ID, Blocked: true, Reason: b.Reason, At: stamp(b.At), By: b.By, Unreadable: b.Unreadable}
	if !b.Until.IsZero() {
		v.Until = stamp(b.Until)
	}
	return v
}

// blockUser serves PUT /admin/users/{id}/block {reason?, until?} for a user of
// the admin's tenant. The user need not have connected before.
func (s *blockRoutes) blockUser(c echo.Context) error {
	id, err := userParam(c)
	if err != nil {
		return err
	}
	b := helpdesk.Block{User: chatbox.UserKey{ID: id}}
	err = fields{
		fieldReason: textField(fieldReason, &b.Reason),
		fieldUntil: func(raw json.RawMessage) (err error) {
			b.Until, err = moment(fieldUntil, raw)
			return err
		},
	}.read(c)
	if err != nil {
		return err
	}
	if b, err = s.blocking.Block(c.Request().Context(), actorOf(c), b); err != nil {
		return err
	}
	return reply(c, viewBlock(b))
}

// moment parses an RFC 3339 time, in milliseconds.
func moment(name string, raw json.RawMessage) (time.Time, error) {
	s, err := text(name, raw)
	if err != nil {
		return time.Time{}, err
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || !sensible(t) {
		return time.Time{}, chatbox.Invalid(name, "must be a time as of RFC 3339")
	}
	return t.UTC().Truncate(time.Millisecond), nil
}

// unblockUser serves DELETE /admin/users/{id}/block, which is idempotent.
func (s *blockRoutes) unblockUser(c echo.Context) error {
	id, err := userParam(c)
	if err != nil {
		return err
	}
	if err := s.blocking.Unblock(c.Request().Context(), actorOf(c), id); err != nil {
		return err
	}
	return reply(c, blockView{UserID: id})
}

// showBlock serves GET /admin/users/{id}/block.
func (s *blockRoutes) showBlock(c echo.Context) error {
	id, err := userParam(c)
	if err != nil {
		return err
	}
	b, blocked, err := s.blocking.BlockOf(c.Request().Context(), actorOf(c), id)
	if err != nil {
		return err
	}
	if !blocked {
		return reply(c, blockView{UserID: id})
	}
	return reply(c, viewBlock(b))
}

type blockList struct {
	Blocks     []blockView `json:"blocks"`
	Count      int         `json:"count"`
	NextCursor string      `json:"next_cursor"`
}

// listBlocks serves GET /admin/blocks.
func (s *blockRoutes) listBlocks(c echo.Context) error {
	limit, err := intParam(c, "limit", 1, maxBlocks, defaultBlocks)
	if err != nil {
		return err
	}
	q := helpdesk.BlockQuery{Limit: int(limit) + 1}
	if q.After, err = blockCursor(c.QueryParam("cursor")); err != nil {
		return err
	}
	found, err := s.blocking.BlockList(c.Request().Context(), actorOf(c), q)
	if err != nil {
		return err
	}
	var next string
	if len(found) > int(limit) {
		found = found[:limit]
		next = base64.RawURLEncoding.EncodeToString([]byte(blockCursorMark + found[limit-1].User.ID))
	}
	return reply(c, blockList{Blocks: views(found, viewBlock), Count: len(found), NextCursor: next})
}

const blockCursorMark = "b1|"

// blockCursor returns the last user of the previous page.
func blockCursor(cursor string) (string, error) {
	if cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	id, ours := strings.CutPrefix(string(raw), blockCursorMark)
	if err != nil || !ours || !chatbox.ValidUserID(id) {
		return "", chatbox.Invalid("cursor", "is not one of ours")
	}
	return id, nil
}
