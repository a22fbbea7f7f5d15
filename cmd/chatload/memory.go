package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// memoryOf is the memory of one pod's process according to its metrics.
type memoryOf struct {
	resident, goroutines float64
}

// podMemory is a pod's memory before and after.
type podMemory struct {
	URL        string  `json:"url"`
	Before     float64 `json:"resident_before_bytes"`
	After      float64 `json:"resident_after_bytes"`
	Goroutines float64 `json:"goroutines_after"`
}

// memory reads the metrics of every pod in --metrics-url. A pod that cannot be
// read is reported and skipped.
func (l *load) memory(ctx context.Context) map[string]memoryOf {
	all := map[string]memoryOf{}
	for _, u := range l.metricsURLs {
		m, err := l.scrape(ctx, u)
		if err != nil {
			fmt.Fprintf(l.out, "chatload: metrics of %s: %v\n", u, err)
			continue
		}
		all[u] = m
	}
	return all
}

func (l *load) scrape(ctx context.Context, url string) (memoryOf, error) {
	var m memoryOf
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil) //nolint:gosec // the operator's own address
	if err != nil {
		return m, fmt.Errorf("request: %w", err)
	}
	res, err := l.http.Do(req) //nolint:gosec // the operator's own address
	if err != nil {
		return m, fmt.Errorf("read metrics: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // read to its end or given up
	if res.StatusCode != http.StatusOK {
		return m, fmt.Errorf("status %d", res.StatusCode)
	}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			continue // a comment, or a line with labels and a time
		}
		switch name {
		case "process_resident_memory_bytes":
			m.resident = n
		case "go_goroutines":
			m.goroutines = n
		}
	}
	return m, lines.Err() //nolint:wrapcheck // nothing to add
}

func compareMemory(before, after map[string]memoryOf) []podMemory {
	var all []podMemory
	for _, u := range slices.Sorted(maps.Keys(after)) {
		if b, ok := before[u]; ok {
			all = append(all, podMemory{URL: u, Before: b.resident, After: after[u].resident, Goroutines: after[u].goroutines})
		}
	}
	return all
}

// grown returns how much memory all pods together have gained.
func grown(pods []podMemory) float64 {
	var sum float64
	for _, p := range pods {
		sum += p.After - p.Before
	}
	return sum
}

func printMemory(w io.Writer, pods []podMemory) {
	if len(pods) == 0 {
		return
	}
	const mib = 1 << 20
	fmt.Fprintf(w, "\npod memory\tbefore\tafter\tgoroutines\n")
	for _, p := range pods {
		fmt.Fprintf(w, "%s\t%.1f MiB\t%.1f MiB\t%.0f\n", p.URL, p.Before/mib, p.After/mib, p.Goroutines)
	}
}
