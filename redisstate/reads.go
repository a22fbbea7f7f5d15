package redisstate

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"chatbox"
	"chatbox/cluster"
)

// NoteRead stores how far somebody has read the session and notifies all pods.
// A position that is not new is no error. chatbox.InvalidArgument: seq is
// beyond the head; chatbox.NotFound: the session is not seeded.
func (c *Client) NoteRead(ctx context.Context, s chatbox.SessionKey, r cluster.Read) error {
	box, err := c.sealUpdate(cluster.Update{Session: s, Read: &r})
	if err != nil {
		return err
	}
	k := keysOf(s)
	out, err := c.run(ctx, "read.lua", []string{k.state}, k.channel, b64(r.UserID), r.Seq, string(r.Sender), box).Text()
	if err != nil {
		return wrap("note read", err)
	}
	switch out {
	case "ok", "old":
		return nil
	case "beyond":
		return chatbox.Invalid("seq", "there is no such event yet")
	case "empty":
		return chatbox.NewError(chatbox.NotFound, "no such session", nil)
	default:
		return wrap("note read", errors.New("script answered something unknown"))
	}
}

// decodeReads decodes the read positions, ordered by user. They are not stored
// elsewhere and delivered at most once, so invalid ones are skipped.
func decodeReads(notes string) []cluster.Read {
	var all map[string]string
	if notes == "" || json.Unmarshal([]byte(notes), &all) != nil {
		return nil
	}
	reads := make([]cluster.Read, 0, len(all))
	for who, note := range all {
		user, ok := unb64(who)
		at, sender, _ := strings.Cut(note, ":")
		if seq, err := strconv.ParseInt(at, 10, 64); err == nil && ok {
			reads = append(reads, cluster.Read{UserID: user, Sender: chatbox.Sender(sender), Seq: seq})
		}
	}
	slices.SortFunc(reads, func(a, b cluster.Read) int { return strings.Compare(a.UserID, b.UserID) })
	return reads
}
