package redisstate

import (
	"context"
	"errors"

	"chatbox"
	"chatbox/cluster"
)

// Claim takes the lease for the session's oldest pending turn.
func (c *Client) Claim(ctx context.Context, s chatbox.SessionKey) (cluster.Claim, error) {
	k := keysOf(s)
	v, err := c.run(ctx, "claim.lua", []string{k.state, k.queue, k.lease, k.forbid, k.due, k.pieces},
		c.leaseNonce(), ms(c.cfg.LeaseTTL), member(s), ms(stateTTL)).Slice()
	if err != nil {
		return cluster.Claim{}, wrap("claim", err)
	}
	switch v[0] {
	case "unseeded":
		return cluster.Claim{Status: cluster.ClaimUnseeded}, nil
	case "none":
		return cluster.Claim{Status: cluster.ClaimNone}, nil
	case "busy":
		return cluster.Claim{Status: cluster.ClaimBusy}, nil
	case "ok":
	default:
		return cluster.Claim{}, wrap("claim", errors.New("script answered something unknown"))
	}
	str := func(i int) string { x, _ := v[i].(string); return x }
	gen, err := parseGen(str(2))
	if err != nil {
		return cluster.Claim{}, wrap("claim", err)
	}
	out := cluster.Claim{
		Status: cluster.ClaimTaken,
		Lease:  cluster.Lease{Session: s, Owner: str(3), Token: str(1), Gen: gen},
		Open:   v[5] != int64(0), Torn: v[5] == int64(2),
	}
	if err := c.openJSON(s, boxFold, str(4), &out.State); err != nil {
		return cluster.Claim{Status: cluster.ClaimUnseeded}, c.forget(ctx, s, str(4), err)
	}
	return out, nil
}

// Renew extends the caller's lease, or takes back the lease that a seed
// reserved for the pod answering the turn.
func (c *Client) Renew(ctx context.Context, l cluster.Lease) error {
	k := keysOf(l.Session)
	return c.owned(ctx, "renew.lua", []string{k.lease, k.due, k.state}, l.Token, ms(c.cfg.LeaseTTL), member(l.Session), genString(l.Gen))
}

// Release gives the lease back, makes its turn due at once, and wakes all
// pods.
func (c *Client) Release(ctx context.Context, l cluster.Lease) error {
	k := keysOf(l.Session)
	if err := c.owned(ctx, "release.lua", []string{k.lease, k.due, k.state}, l.Token, member(l.Session), genString(l.Gen)); err != nil {
		return err
	}
	return wrap("wake", c.publish(ctx, wakeChannel, member(l.Session)))
}

// Drop ends the turn without an event in the history. f, if not nil, is
// published once.
func (c *Client) Drop(ctx context.Context, l cluster.Lease, f *cluster.Failure) error {
	k, box := keysOf(l.Session), ""
	if f != nil {
		var err error
		if box, err = c.sealUpdate(cluster.Update{Session: l.Session, Owner: l.Owner, Failure: f}); err != nil {
			return err
		}
	}
	return c.owned(ctx, "drop.lua", []string{k.state, k.queue, k.lease, k.due, k.pieces},
		l.Token, genString(l.Gen), member(l.Session), k.channel, box)
}

// Revoke takes the lease from its holder, forbids claims for a while, and
// returns the open answer. running is its generation, even if it is not
// announced yet.
func (c *Client) Revoke(ctx context.Context, s chatbox.SessionKey) (running chatbox.Gen, open *cluster.OpenAnswer, err error) {
	return c.revoke(ctx, s, true)
}

// Interrupt is Revoke if an answer is running. Otherwise it has no effect.
func (c *Client) Interrupt(ctx context.Context, s chatbox.SessionKey) (running chatbox.Gen, open *cluster.OpenAnswer, err error) {
	return c.revoke(ctx, s, false)
}

// Allow lifts the ban on claims by Interrupt. A ban by Revoke stays.
func (c *Client) Allow(ctx context.Context, s chatbox.SessionKey) error {
	return wrap("allow", c.run(ctx, "allow.lua", []string{keysOf(s).forbid}).Err())
}

func (c *Client) revoke(ctx context.Context, s chatbox.SessionKey, always bool) (chatbox.Gen, *cluster.OpenAnswer, error) {
	k := keysOf(s)
	v, err := c.run(ctx, "revoke.lua", []string{k.state, k.lease, k.forbid, k.pieces}, ms(forbidTTL), flag(always)).Slice()
	if err != nil {
		return chatbox.Gen{}, nil, wrap("revoke", err)
	}
	str := func(i int) string { x, _ := v[i].(string); return x }
	if str(0) == "kept" {
		return chatbox.Gen{}, nil, chatbox.NewError(chatbox.Unavailable, "the answer is being resumed; try again", nil)
	}
	var running chatbox.Gen
	if g := str(0); g != "" {
		if running, err = parseGen(g); err != nil {
			return running, nil, wrap("revoke", err)
		}
	}
	// An answer that cannot be decrypted cannot be closed with its text, and
	// must not prevent a takeover.
	open, _ := c.decodeOpen(s, str(1), str(2), str(3), str(4), strs(v[5]))
	return running, open, nil
}

// owned runs a script that returns 0 if the caller does not hold the lease,
// and -1 if Redis has no copy of the session.
func (c *Client) owned(ctx context.Context, name string, keys []string, args ...any) error {
	n, err := c.run(ctx, name, keys, args...).Int()
	if err != nil {
		return wrap(name, err)
	}
	switch n {
	case 0:
		return chatbox.NewError(chatbox.NotOwner, "", nil)
	case -1:
		return chatbox.NewError(chatbox.NotFound, "", nil)
	}
	return nil
}
