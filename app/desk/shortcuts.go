package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"chatbox"
)

// shortcuts is one card per tenant: which reply has which shortcut. It is
// changed by comparing revisions, so two replies never have one shortcut,
// whichever pods they are written on. Shortcuts are sealed like all that people
// write, so no index of the store could see to it.
type shortcuts map[string]claim

// claim is a reply's on a shortcut. It is made before the reply is written and
// given back after it is gone. Where a pod died in between nobody has the
// shortcut, and after a while the next one may.
type claim struct {
	Reply string    `json:"reply"`
	Token string    `json:"token"` // new each time it is made, also by the same reply
	Since time.Time `json:"since"`
}

// claimRest is how old a claim is before it is doubted: longer than a write
// can be under way.
const claimRest = time.Minute

const shortcutsID = "all"

func shortcutsOf(tenant string) chatbox.CardPile {
	return chatbox.CardPile{Tenant: tenant, Kind: chatbox.CardShortcuts}
}

// claimShortcut gives the shortcut to the reply; chatbox.Conflict where it is
// another's. others are what else the reply had claimed then: the caller gives
// them back once the reply is written over the revision that was read before.
// Whoever else is about to write over that one has to begin anew, and so to
// claim anew, which is what makes giving back safe.
func (s *Service) claimShortcut(ctx context.Context, tenant, shortcut, reply string) (others shortcuts, err error) {
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

// holds reports whether a claim stands: it is new, or its reply has the
// shortcut.
func (s *Service) holds(ctx context.Context, tenant, shortcut string, c claim) (bool, error) {
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

// giveBack ends claims that over says are over. What cannot be given back now
// is doubted later.
func (s *Service) giveBack(ctx context.Context, tenant string, over func(shortcut string, c claim) bool) {
	err := s.changeShortcuts(ctx, tenant, func(all shortcuts) (bool, error) {
		before := len(all)
		maps.DeleteFunc(all, over)
		return len(all) < before, nil
	})
	if err != nil {
		s.Logger.DebugContext(ctx, "shortcuts not given back", "error", err)
	}
}

func (s *Service) changeShortcuts(ctx context.Context, tenant string, change func(shortcuts) (bool, error)) error {
	return s.again(func(int) error {
		all := shortcuts{}
		c, err := s.Cards.Get(ctx, shortcutsOf(tenant), shortcutsID)
		fresh := errors.Is(err, chatbox.NotFound)
		switch {
		case fresh:
			c = chatbox.Card{Pile: shortcutsOf(tenant), ID: shortcutsID, CreatedAt: now()}
		case err != nil:
			return err
		default:
			if err := json.Unmarshal(c.Body, &all); err != nil {
				// Nobody can read who has which shortcut: they are claimed anew.
				s.Logger.WarnContext(ctx, "the list of shortcuts cannot be read; it begins anew", "tenant", tenant, "unreadable", c.Unreadable)
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
