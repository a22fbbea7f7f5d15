package redisstate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbox"
	"chatbox/helpdesk"
)

const boxStaff = "staff"

var errStaff = errors.New("malformed staff record")

// BeatStaff renews the presence of admins with sockets on this process, and
// merges the cluster's knowledge into staff: of two statuses the later one
// counts, on whichever pod it was set. A presence that is not renewed expires
// after 8 seconds. One round trip, for any number of tenants.
func (c *Client) BeatStaff(ctx context.Context, staff []helpdesk.StaffMember) error {
	groups, args := map[string][]*helpdesk.StaffMember{}, map[string][]any{}
	for i := range staff {
		m := &staff[i]
		t := m.User.Tenant
		if groups[t] == nil {
			args[t] = []any{c.boot, ms(staffTTL), ms(staffMemory), ms(staffBlink)}
		}
		box, err := c.sealName(m.User, m.Name)
		if err != nil {
			return err
		}
		groups[t] = append(groups[t], m)
		args[t] = append(args[t], b64(m.User.ID), string(m.Status), millis(m.Said), millis(m.Since), box)
	}
	known := make(map[string]*redis.Cmd, len(groups))
	err := c.flush(ctx, func(p batch) {
		for t := range groups {
			known[t] = c.queue(ctx, p, "staffbeat.lua", staffKeys(t), args[t]...)
		}
	})
	if err != nil {
		return wrap("beat staff", err)
	}
	for t, members := range groups {
		fields, err := known[t].StringSlice()
		if err != nil || len(fields) != 3*len(members) {
			return wrap("beat staff", errors.Join(err, errStaff))
		}
		for i, m := range members {
			if err := setStaff(m, fields[3*i:3*i+3]); err != nil {
				return wrap("beat staff", err)
			}
		}
	}
	return nil
}

// LeaveStaff records that the admins have no more sockets on this process.
func (c *Client) LeaveStaff(ctx context.Context, users []chatbox.UserKey) error {
	return wrap("leave staff", c.flush(ctx, func(p batch) {
		for _, u := range users {
			p.ZRem(ctx, staffKeys(u.Tenant)[0], b64(u.ID)+"@"+c.boot)
		}
	}))
}

// SayStaff stores an admin's status while they have sockets anywhere and for
// five minutes afterwards. It sets m.Said to a time later than that of any
// earlier status.
func (c *Client) SayStaff(ctx context.Context, m *helpdesk.StaffMember) error {
	box, err := c.sealName(m.User, m.Name)
	if err != nil {
		return err
	}
	fields, err := c.run(ctx, "staffsay.lua", staffKeys(m.User.Tenant),
		b64(m.User.ID), string(m.Status), box, ms(staffMemory), ms(staffBlink), millis(m.Said)).StringSlice()
	if err == nil {
		err = setStaff(m, append([]string{string(m.Status)}, fields...))
	}
	return wrap("set staff status", err)
}

// Staff lists the tenant's admins who are connected to a live process, by id.
// One round trip.
func (c *Client) Staff(ctx context.Context, tenant string) ([]helpdesk.StaffMember, error) {
	fields, err := c.run(ctx, "staff.lua", staffKeys(tenant)).StringSlice()
	if err != nil {
		return nil, wrap("list staff", err)
	}
	staff := make([]helpdesk.StaffMember, 0, len(fields)/3)
	for f := range slices.Chunk(fields, 3) {
		id, ok := unb64(f[0])
		m := helpdesk.StaffMember{User: chatbox.UserKey{Tenant: tenant, ID: id}}
		if !ok || setStaff(&m, strings.Split(f[1], "|")) != nil {
			return nil, wrap("list staff", errStaff)
		}
		m.Name = c.openName(m.User, f[2])
		staff = append(staff, m)
	}
	slices.SortFunc(staff, func(a, b helpdesk.StaffMember) int { return strings.Compare(a.User.ID, b.User.ID) })
	return staff, nil
}

// setStaff decodes the status, when it was set, and since when the admin is
// connected.
func setStaff(m *helpdesk.StaffMember, fields []string) error {
	if len(fields) != 3 {
		return errStaff
	}
	said, err1 := strconv.ParseInt(fields[1], 10, 64)
	since, err2 := strconv.ParseInt(fields[2], 10, 64)
	if err1 != nil || err2 != nil {
		return errStaff
	}
	m.Status, m.Said, m.Since = helpdesk.StaffStatus(fields[0]), timeOf(said), timeOf(since)
	return nil
}

// millis returns t in Unix milliseconds, and 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func timeOf(at int64) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return time.UnixMilli(at).UTC()
}

func (c *Client) sealName(u chatbox.UserKey, name string) (string, error) {
	box, err := c.seal.Seal([]byte(name), u.Tenant, u.ID, boxStaff)
	if err != nil {
		return "", fmt.Errorf("seal a name: %w", err)
	}
	return string(box), nil
}

// openName returns "" if no key decrypts the name; the next heartbeat writes
// it again.
func (c *Client) openName(u chatbox.UserKey, box string) string {
	name, err := c.seal.Open([]byte(box), u.Tenant, u.ID, boxStaff)
	if err != nil {
		return ""
	}
	return string(name)
}
