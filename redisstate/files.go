package redisstate

import (
	"context"
	"time"

	"chatbox"
)

const (
	fileReserveTTL = 2 * time.Minute // how long a reservation lasts unless it is renewed
	fileDayTTL     = 48 * time.Hour  // longer than a day in any time zone
)

// ReserveFile reserves a file of at most want bytes in the user's quota of the
// day and returns how many bytes are granted. 0: the files or bytes of the day
// are used up, and nothing was reserved. wait is positive if less than want is
// granted because of other reservations: the time until the next one lapses. A
// reservation lapses after two minutes, unless the same id reserves again.
func (c *Client) ReserveFile(
	ctx context.Context, u chatbox.UserKey, day, id string, want, mostBytes int64, mostFiles int,
) (granted int64, wait time.Duration, err error) {
	v, err := c.run(ctx, "filereserve.lua", fileKeys(u, day), id, want, mostBytes, mostFiles, ms(fileReserveTTL), ms(fileDayTTL)).Int64Slice()
	if err != nil {
		return 0, 0, wrap("reserve a file", err)
	}
	return v[0], time.Duration(v[1]) * time.Millisecond, nil
}

// SettleFile replaces the reservation by a file of size bytes, or removes it if
// size is 0.
func (c *Client) SettleFile(ctx context.Context, u chatbox.UserKey, day, id string, size int64) error {
	return wrap("settle a file", c.run(ctx, "filesettle.lua", fileKeys(u, day), id, size, ms(fileDayTTL)).Err())
}
