package redisstate

import (
	"context"
	"time"

	"chatbox"
)

const (
	fileReserveTTL = time.Hour      // the longest that an upload keeps its reservation
	fileDayTTL     = 48 * time.Hour // longer than a day in any time zone
)

// ReserveFile reserves a file of at most want bytes in the user's quota of the
// day and returns how many bytes are granted. 0: the files or bytes of the day
// are used up, and nothing was reserved.
func (c *Client) ReserveFile(
	ctx context.Context, u chatbox.UserKey, day, id string, want, mostBytes int64, mostFiles int,
) (int64, error) {
	granted, err := c.run(ctx, "filereserve.lua", fileKeys(u, day), id, want, mostBytes, mostFiles, ms(fileReserveTTL), ms(fileDayTTL)).Int64()
	return granted, wrap("reserve a file", err)
}

// SettleFile replaces the reservation by a file of size bytes, or removes it if
// size is 0.
func (c *Client) SettleFile(ctx context.Context, u chatbox.UserKey, day, id string, size int64) error {
	return wrap("settle a file", c.run(ctx, "filesettle.lua", fileKeys(u, day), id, size, ms(fileDayTTL)).Err())
}
