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
)

// shownTTL is how long a client without resume may take to come back in
// mid-answer. Pages of the earlier service try at least every 30 s.
const shownTTL = 2 * time.Minute

// shownSoon is how soon after a confirmation something must have been sent to
// count as received where the pod died. The network of a client that confirms
// every piece was whole a moment ago.
const shownSoon = 300 * time.Millisecond

const boxShown = "shown"

// shownStages are the stages' names in the script.
func shownStage(s chatbox.ShownStage) string {
	switch s {
	case chatbox.ShownSent:
		return "s"
	case chatbox.ShownReceived:
		return "r"
	default:
		return "c"
	}
}

// NoteShown notes, of connections of clients without resume, what each has been
// sent and has received of an answer, in the list's order. One round trip.
func (c *Client) NoteShown(ctx context.Context, list []chatbox.Shown) error {
	values := make([]string, len(list))
	for i, sh := range list {
		box, err := c.sealJSON(sh.Session, boxShown, sh.Sum)
		if err != nil {
			return err
		}
		values[i] = fmt.Sprintf("%d|%d|%d|%s", sh.Gen.Seq, sh.Gen.Run, sh.Bytes, box)
	}
	return wrap("note what was received", c.flush(ctx, func(p batch) {
		for i, sh := range list {
			key, conn := shownKey(sh.Session), shownUser(sh.UserID)+string(sh.Conn)
			if sh.Stage == chatbox.ShownOver {
				p.HDel(ctx, key, conn+":s", conn+":r", conn+":c")
				continue
			}
			c.queue(ctx, p, "shownnote.lua", []string{key}, conn, shownStage(sh.Stage), values[i], ms(shownTTL))
		}
	}))
}

// TakeShown takes what one connection of the user had received in the session
// when it broke; nil: there is none. Each note is taken once. A REST request of
// the user's voids what was noted before: the page is being loaded anew and
// shows nothing.
func (c *Client) TakeShown(ctx context.Context, s chatbox.SessionKey, userID string) (*chatbox.Shown, error) {
	user := chatbox.UserKey{Tenant: s.Tenant, ID: userID}
	last, err := c.rdb.ZRevRangeWithScores(ctx, restKey(user), 0, 0).Result()
	if err != nil {
		return nil, wrap("look for the last request", err)
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
		return nil, wrap("take what was received", err)
	}
	sh, err := c.decodeShown(s, out)
	if err != nil {
		return nil, err
	}
	sh.UserID = userID
	return &sh, nil
}

func (c *Client) decodeShown(s chatbox.SessionKey, value string) (chatbox.Shown, error) {
	sh := chatbox.Shown{Session: s, Stage: chatbox.ShownReceived}
	parts := strings.SplitN(value, "|", 4)
	if len(parts) != 4 {
		return sh, errors.New("note of what was received has another form")
	}
	var err1, err2, err3 error
	sh.Gen.Seq, err1 = strconv.ParseInt(parts[0], 10, 64)
	sh.Gen.Run, err2 = strconv.Atoi(parts[1])
	sh.Bytes, err3 = strconv.Atoi(parts[2])
	if err := errors.Join(err1, err2, err3); err != nil {
		return sh, fmt.Errorf("note of what was received: %w", err)
	}
	return sh, c.openJSON(s, boxShown, parts[3], &sh.Sum)
}

func shownKey(s chatbox.SessionKey) string { return part(partitionOf(s)) + ":g:" + member(s) }

// shownUser is how the names of a user's connections begin.
func shownUser(userID string) string { return b64(userID) + "." }
