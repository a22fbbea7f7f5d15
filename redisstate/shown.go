package redisstate

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbox"
	"chatbox/cluster"
)

// shownTTL is how long a client without resume may take to reconnect during an
// answer. Pages of the earlier service try at least every 30 s.
const shownTTL = 2 * time.Minute

// shownSoon is the time after a confirmation within which text that was sent
// counts as received if the pod then died. The client confirms every piece, so
// its connection worked shortly before.
const shownSoon = 300 * time.Millisecond

const boxShown = "shown"

// shownStage returns the stage's name in the script.
func shownStage(s cluster.ShownStage) string {
	switch s {
	case cluster.ShownSent:
		return "s"
	case cluster.ShownReceived:
		return "r"
	default:
		return "c"
	}
}

// NoteShown records what connections of clients without resume were sent and
// have received of an answer, in the list's order. One round trip.
func (c *Client) NoteShown(ctx context.Context, list []cluster.Shown) error {
	values := make([]string, len(list))
	for i, sh := range list {
		box, err := c.sealJSON(sh.Session, boxShown, sh.Sum)
		if err != nil {
			return err
		}
		values[i] = fmt.Sprintf("%d|%d|%d|%s", sh.Gen.Seq, sh.Gen.Run, sh.Bytes, box)
	}
	return wrap("store receipts", c.flush(ctx, func(p batch) {
		for i, sh := range list {
			key, conn := shownKey(sh.Session), shownUser(sh.UserID)+string(sh.Conn)
			if sh.Stage == cluster.ShownOver {
				p.HDel(ctx, key, conn+":s", conn+":r", conn+":c")
				continue
			}
			c.queue(ctx, p, "shownnote.lua", []string{key}, conn, shownStage(sh.Stage), values[i], ms(shownTTL))
		}
	}))
}

// TakeShown returns and removes the record of what one broken connection of
// the user had received in the session; nil if there is none. A REST request
// of the user voids earlier records: the page is being reloaded and shows
// nothing.
func (c *Client) TakeShown(ctx context.Context, s chatbox.SessionKey, userID string) (*cluster.Shown, error) {
	user := chatbox.UserKey{Tenant: s.Tenant, ID: userID}
	last, err := c.rdb.ZRevRangeWithScores(ctx, restKey(user), 0, 0).Result()
	if err != nil {
		return nil, wrap("read the last request", err)
	}
	var since int64
	if len(last) > 0 {
		since = int64(last[0].Score)
	}
	out, err := c.run(ctx, "showntake.lua", []string{shownKey(s)}, shownUser(userID), since, ms(shownTTL), ms(shownSoon)).Text()
	switch {
	case errors.Is(err, redis.Nil):
		return nil, nil //nolint:nilnil // nothing was noted, and that is no error
	case err != nil:
		return nil, wrap("take a receipt", err)
	}
	sh, err := c.decodeShown(s, out)
	if err != nil {
		return nil, err
	}
	sh.UserID = userID
	return &sh, nil
}

func (c *Client) decodeShown(s chatbox.SessionKey, value string) (cluster.Shown, error) {
	sh := cluster.Shown{Session: s, Stage: cluster.ShownReceived}
	parts := strings.SplitN(value, "|", 4)
	if len(parts) != 4 {
		return sh, errors.New("malformed receipt")
	}
	var err1, err2, err3 error
	sh.Gen.Seq, err1 = strconv.ParseInt(parts[0], 10, 64)
	sh.Gen.Run, err2 = strconv.Atoi(parts[1])
	sh.Bytes, err3 = strconv.Atoi(parts[2])
	if err := errors.Join(err1, err2, err3); err != nil {
		return sh, fmt.Errorf("decode receipt: %w", err)
	}
	return sh, c.openJSON(s, boxShown, parts[3], &sh.Sum)
}

func shownKey(s chatbox.SessionKey) string { return part(partitionOf(s)) + ":g:" + member(s) }

// shownUser is the prefix of the names of a user's connections.
func shownUser(userID string) string { return b64(userID) + "." }
