package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"chatbox"
	"chatbox/helpdesk"
)

// shortcuts is one card per tenant that maps shortcuts to replies. It is changed
// by compare-and-set on its revision, so two replies never get the same shortcut,
// even on different pods. Shortcuts are encrypted like all text from people, so a
// unique index of the store cannot enforce this.
type shortcuts map[string]claim

// claim is a reply's claim on a shortcut. It is made before the reply is written
// and removed after the reply is deleted. If a pod died in between, no reply has
// the shortcut, and after claimRest another reply may claim it.
type claim struct {
	Reply string    `json:"reply"`
	Token string    `json:"token"` // different for each claim, even by the same reply
	Since time.Time `json:"since"`
}

// claimRest is the age at which a claim is checked against its reply. It is
// longer than a write can take.
const claimRest = time.Minute

const shortcutsID = "all"

func shortcutsOf(tenant string) helpdesk.CardPile {
	return helpdesk.CardPile{Tenant: tenant, Kind: helpdesk.CardShortcuts}
}

// claimShortcut claims the shortcut for the reply. It returns chatbox.Conflict if
// another reply has it. others are the reply's other claims at that time. The
// caller removes them after it has replaced the reply's revision that it had read
// before. That is safe: a concurrent writer of that revision fails, starts again
// and makes new claims.
func (s *Replies) claimShortcut(ctx context.Context, tenant, shortcut, reply string) (others shortcuts, err error) {
	err = s.changeShortcuts(ctx, tenant, func(all shortcuts) (bool, error) {
		if had, taken := all[shortcut]; taken && had.Reply != reply {
			held, err := s.holds(ctx, tenant, shortcut, had)
			if err != nil {
				return false, err
			}
			if held {
				return false, chatbox.NewError(chatbox.Conflict, "shortcut: another reply has it", nil)
			}
		}
		all[shortcut] = claim{Reply: reply, Token: newID(), Since: now()}
		others = shortcuts{}
		for other, c := range all {
			if c.Reply == reply && other != shortcut {
				others[other] = c
			}
		}
		return true, nil
	})
	return others, err
}

// holds reports whether a claim is valid: it is recent, or its reply has the
// shortcut.
func (s *Replies) holds(ctx context.Context, tenant, shortcut string, c claim) (bool, error) {
	if now().Sub(c.Since) < claimRest {
		return true, nil
	}
	found, err := s.Cards.Get(ctx, repliesOf(tenant), c.Reply)
	if errors.Is(err, chatbox.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	r := replyOf(found)
	return r.Unreadable || r.Shortcut == shortcut, nil
}

// giveBack removes the claims in over. A claim that cannot be removed now is
// checked against its reply later.
func (s *Replies) giveBack(ctx context.Context, tenant string, over func(shortcut string, c claim) bool) {
	err := s.changeShortcuts(ctx, tenant, func(all shortcuts) (bool, error) {
		before := len(all)
		maps.DeleteFunc(all, over)
		return len(all) < before, nil
	})
	if err != nil {
		s.Logger.DebugContext(ctx, "shortcuts not given back", "error", err)
	}
}

func (s *Replies) changeShortcuts(ctx context.Context, tenant string, change func(shortcuts) (bool, error)) error {
	return again(func(int) error {
		all := shortcuts{}
		c, err := s.Cards.Get(ctx, shortcutsOf(tenant), shortcutsID)
		fresh := errors.Is(err, chatbox.NotFound)
		switch {
		case fresh:
			c = helpdesk.Card{Pile: shortcutsOf(tenant), ID: shortcutsID, CreatedAt: now()}
		case err != nil:
			return err
		default:
			if err := json.Unmarshal(c.Body, &all); err != nil {
				// The mapping is lost, so the shortcuts are claimed again.
				s.Logger.WarnContext(ctx, "the list of shortcuts cannot be read; starting a new one", "tenant", tenant, "unreadable", c.Unreadable)
				all = shortcuts{}
			}
		}
		changed, err := change(all)
		if err != nil || !changed {
			return err
		}
		if c.Body, err = json.Marshal(all); err != nil {
			return fmt.Errorf("encode shortcuts: %w", err)
		}
		c.UpdatedAt = now()
		if fresh {
			return s.Cards.Add(ctx, c, 1)
		}
		_, err = s.Cards.Replace(ctx, c)
		return err
	})
}
