package redisstate

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbox"
	"chatbox/cluster"
)

// card is a pod's stored card: its info and the process that wrote it.
type card struct {
	cluster.PodInfo

	Boot string `json:"boot"`
}

// Beat is the result of a pod's heartbeat.
type Beat struct {
	Other string    // the card of another process with that id; "": none
	Now   time.Time // the server's time
}

// BeatPod renews the pod's card. If another process has a card with that id,
// it is left unchanged and returned. If the caller passes that card as
// instead, it is replaced, unless it was renewed since. So only one process
// has a name at a time.
func (c *Client) BeatPod(ctx context.Context, pod cluster.PodInfo, instead string) (Beat, error) {
	b, err := json.Marshal(card{pod, c.boot})
	if err != nil {
		return Beat{}, wrap("beat pod", err)
	}
	var other, at *redis.Cmd
	err = c.flush(ctx, func(p batch) {
		other = c.queue(ctx, p, "card.lua", []string{podKey(pod.ID)}, c.boot, b, ms(podTTL), instead)
		p.Set(ctx, aliveKey(c.boot), "1", aliveTTL)
		at = c.queue(ctx, p, "pods.lua", []string{podsKey}, string(pod.ID), ms(10*podTTL))
	})
	if err != nil {
		return Beat{}, wrap("beat pod", err)
	}
	held, err := other.Text()
	now, err2 := at.Int64()
	return Beat{Other: held, Now: time.UnixMilli(now)}, wrap("beat pod", errors.Join(err, err2))
}

// RemovePod removes a stopping pod from the list, unless another process has
// the name.
func (c *Client) RemovePod(ctx context.Context, id chatbox.PodID) error {
	gone, err := c.run(ctx, "uncard.lua", []string{podKey(id)}, c.boot).Int()
	if err == nil && gone == 1 {
		err = c.rdb.ZRem(ctx, podsKey, string(id)).Err()
	}
	return wrap("remove pod", err)
}

// Identity returns the random name of this Redis. Clients of one Redis get the
// same one, clients of another Redis or of another of its databases another. It
// changes if Redis is emptied.
func (c *Client) Identity(ctx context.Context) (string, error) {
	name, err := c.run(ctx, "identity.lua", []string{identityKey}, nonce()).Text()
	return name, wrap("identify redis", err)
}

// Pods lists the pods with a live card, by id.
func (c *Client) Pods(ctx context.Context) ([]cluster.PodInfo, error) {
	cards, err := c.cards(ctx)
	pods := make([]cluster.PodInfo, len(cards))
	for i, k := range cards {
		pods[i] = k.PodInfo
	}
	return pods, err
}

// Skews returns how far the clock of each live pod is ahead of the server's.
// The result is too small by the latency of a heartbeat.
func (c *Client) Skews(ctx context.Context) (map[chatbox.PodID]time.Duration, error) {
	cards, err := c.cards(ctx)
	skews := make(map[chatbox.PodID]time.Duration, len(cards))
	for _, k := range cards {
		skews[k.ID] = k.LastHeartbeat.Sub(k.listed)
	}
	return skews, err
}

// listedCard is a pod's card with the server's time of its latest heartbeat.
type listedCard struct {
	cluster.PodInfo

	listed time.Time
}

// cards reads the live cards, ordered by id.
func (c *Client) cards(ctx context.Context) ([]listedCard, error) {
	ids, err := c.rdb.ZRangeWithScores(ctx, podsKey, 0, -1).Result()
	if err != nil {
		return nil, wrap("list pods", err)
	}
	found := make([]*redis.StringCmd, len(ids))
	err = c.flush(ctx, func(p batch) {
		for i, z := range ids {
			id, _ := z.Member.(string)
			found[i] = p.Get(ctx, podKey(chatbox.PodID(id)))
		}
	})
	if err != nil {
		return nil, wrap("list pods", err)
	}
	cards := make([]listedCard, 0, len(ids))
	for i, cmd := range found {
		k := listedCard{listed: time.UnixMilli(int64(ids[i].Score))}
		if b, err := cmd.Bytes(); err == nil && json.Unmarshal(b, &k.PodInfo) == nil {
			cards = append(cards, k)
		}
	}
	slices.SortFunc(cards, func(a, b listedCard) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return cards, nil
}
