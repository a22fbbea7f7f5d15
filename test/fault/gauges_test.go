//go:build fault

package fault

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// metric is one number of a pod's own metrics, -1 where it does not tell.
func (c *cluster) metric(ctx context.Context, p *pod, name string) float64 {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url()+"/chatbox/metrics/prometheus", nil)
	if err != nil {
		return -1
	}
	res, err := c.http.Do(req)
	if err != nil {
		return -1
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return -1
			}
			return n
		}
	}
	return -1
}

// resident is the memory that the process has, in MiB; its greatest value yet
// with peak.
func (p *process) resident(peak bool) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	field := "VmRSS:"
	if peak {
		field = "VmHWM:"
	}
	_, rest, _ := strings.Cut(string(status), field)
	kib, _ := strconv.ParseFloat(strings.Fields(rest + " 0")[0], 64) // the kernel writes numbers
	return kib / 1024
}

// residents is the memory of all pods.
func (c *cluster) residents() float64 {
	var sum float64
	for _, p := range c.pods {
		sum += p.resident(false)
	}
	return sum
}

// watchMost samples a number four times a second until it is stopped, and returns
// its greatest value.
func (c *cluster) watchMost(of func(context.Context) float64) (stop func() float64) {
	ctx, cancel := context.WithCancel(c.ctx)
	var work sync.WaitGroup
	most := 0.0
	work.Go(func() {
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			most = max(most, of(ctx))
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	c.t.Cleanup(func() { cancel(); work.Wait() })
	return func() float64 {
		cancel()
		work.Wait()
		return most
	}
}
