package redisstate

import (
	"context"
	"fmt"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Probe reports whether Redis accepts writes and runs scripts. A server that is
// full, cannot save or has become a replica still answers pings. On a Cluster it
// asks every master that serves a partition, since any of them may have sessions.
func (c *Client) Probe(ctx context.Context) error {
	err := c.probe(ctx)
	if err == nil {
		c.served.Store(true)
		return nil
	}
	return wrap("probe", c.explain(err))
}

func (c *Client) probe(ctx context.Context) error {
	if !c.sharded {
		return c.writeProbe(ctx, 0)
	}
	masters, err := c.masters(ctx)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	failed := make(chan error, len(masters)) // at most one error of each; never closed
	for _, p := range masters {
		wg.Go(func() { // ends with its reply or ctx; waited for below
			if err := c.writeProbe(ctx, p); err != nil {
				failed <- err
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		c.relearn(ctx)
		return err
	default:
		return nil
	}
}

// writeProbe writes to a partition and runs a script there. Until Redis has once
// done both the script is sent whole, too: the first run of each needs that.
func (c *Client) writeProbe(ctx context.Context, p int) error {
	if err := c.rdb.Set(ctx, probeKey(p), c.boot, probeTTL).Err(); err != nil {
		return err
	}
	keys := []string{probeKey(p)}
	if !c.served.Load() {
		if err := c.scripts["probe.lua"].Eval(ctx, c.rdb, keys).Err(); err != nil {
			return fmt.Errorf("run a script: %w", err)
		}
	}
	if err := c.run(ctx, "probe.lua", keys).Err(); err != nil {
		return fmt.Errorf("run a script: %w", err)
	}
	return nil
}

// masters returns the Cluster's masters that serve partitions, each with one
// of its partitions.
func (c *Client) masters(ctx context.Context) (map[*redis.Client]int, error) {
	masters := map[*redis.Client]int{}
	for p := range partitions {
		m, err := c.cluster.MasterForKey(ctx, part(p))
		if err != nil {
			return nil, err
		}
		masters[m] = p
	}
	return masters, nil
}
