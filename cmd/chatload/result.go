package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"

	"chatbox/cmd/chatload/histogram"
	"chatbox/cmd/chatload/ledger"
)

// result is the result of a run of conversations, also as JSON.
type result struct {
	Seconds     float64                        `json:"seconds"`
	Seed        uint64                         `json:"seed"`
	Machine     string                         `json:"machine"`
	Users       int                            `json:"users"`
	Devices     int                            `json:"devices_per_session"`
	Verify      string                         `json:"verify"`
	Sent        int64                          `json:"sent"`
	Repeats     int64                          `json:"repeats_sent"`
	Cancels     int64                          `json:"cancels"`
	Retries     int64                          `json:"retries"`
	Sockets     int64                          `json:"sockets_opened"`
	Reconnects  int64                          `json:"reconnects"`
	Drops       int64                          `json:"broken_on_purpose"`
	Refused     int64                          `json:"refused_dials"`
	Frames      int64                          `json:"frames_received"`
	AcksPerS    float64                        `json:"acked_per_second"`
	AnswersPerS float64                        `json:"answers_per_second"`
	FramesPerS  float64                        `json:"frames_per_second"`
	Latency     map[string]histogram.Quantiles `json:"latency"`
	Report      ledger.Report                  `json:"report"`
	Violations  int                            `json:"violations"`
	Memory      []podMemory                    `json:"pod_memory,omitempty"`
}

// latencies returns the rows of the latency table in order.
func (m *meter) latencies() []struct {
	name string
	h    *histogram.Histogram
} {
	return []struct {
		name string
		h    *histogram.Histogram
	}{
		{"connect", &m.connect},
		{"ack", &m.ack},
		{"ack after reconnect", &m.ackLate},
		{"first piece", &m.first},
		{"whole answer", &m.whole},
		{"second device", &m.delivery},
		{"resume", &m.resume},
	}
}

func (l *load) result(before, after map[string]memoryOf) result {
	m, seconds := l.meter, time.Since(l.begun).Seconds()
	r := result{
		Seconds: seconds, Seed: l.seed, Machine: machine(), Users: l.users, Devices: l.devices, Verify: l.verify,
		Sent: m.sentCount.Load(), Repeats: m.repeats.Load(), Cancels: m.cancels.Load(), Retries: m.retries.Load(),
		Sockets: m.dials.Load(), Reconnects: m.reconnects.Load(), Drops: m.drops.Load(), Refused: m.refused.Load(),
		Frames: m.frames.Load(), Latency: map[string]histogram.Quantiles{}, Report: m.verdict(), Memory: compareMemory(before, after),
	}
	r.AcksPerS = float64(r.Report.Messages) / seconds
	r.AnswersPerS = float64(r.Report.Answers) / seconds
	r.FramesPerS = float64(r.Frames) / seconds
	r.Violations = r.Report.Violations(l.allowErrors)
	for _, row := range m.latencies() {
		r.Latency[row.name] = row.h.Quantiles()
	}
	return r
}

func machine() string {
	return fmt.Sprintf("%s/%s, %d cores, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
}

// print writes the result as text or JSON.
func (l *load) print(w io.Writer, r result) {
	if l.json {
		printJSON(w, r)
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "chatload\t%d users, %d sessions, %d devices, %.1f s, seed %d\t%s\n",
		r.Users, r.Report.Sessions, r.Report.Devices, r.Seconds, r.Seed, r.Machine)
	fmt.Fprintf(t, "acked\t%d\t%.1f/s\n", r.Report.Messages, r.AcksPerS)
	fmt.Fprintf(t, "answers\t%d\t%.1f/s\n", r.Report.Answers, r.AnswersPerS)
	fmt.Fprintf(t, "text verified\t%d\t%s\n", r.Report.Verified, r.Verify)
	fmt.Fprintf(t, "frames read\t%d\t%.0f/s\n", r.Frames, r.FramesPerS)
	fmt.Fprintf(t, "frames repeated\t%d\n", r.Repeats)
	fmt.Fprintf(t, "cancelled, retried\t%d, %d\n", r.Cancels, r.Retries)
	fmt.Fprintf(t, "sockets opened\t%d\n", r.Sockets)
	fmt.Fprintf(t, "reconnects\t%d\t%d broken on purpose, %d dials refused\n", r.Reconnects, r.Drops, r.Refused)
	fmt.Fprintf(t, "throttled\t%d\n", r.Report.Throttled)
	fmt.Fprintln(t)
	for _, c := range ledger.Classes() {
		fmt.Fprintf(t, "%s\t%d\n", c, r.Report.Counts[c])
	}
	for _, code := range slices.Sorted(maps.Keys(r.Report.ErrorCodes)) {
		fmt.Fprintf(t, "  %s\t%d\n", code, r.Report.ErrorCodes[code])
	}
	fmt.Fprintf(t, "\nlatency (ms)\tn\tp50\tp99\tmax\n")
	for _, row := range l.meter.latencies() {
		if q := r.Latency[row.name]; q.N > 0 {
			fmt.Fprintf(t, "%s\t%d\t%.1f\t%.1f\t%.1f\n", row.name, q.N, q.P50, q.P99, q.Max)
		}
	}
	printMemory(t, r.Memory)
	_ = t.Flush() // a failure means that the terminal is gone
	for _, c := range r.Report.Sorted() {
		for _, note := range r.Report.Examples[c] {
			fmt.Fprintf(w, "%s: %s\n", c, note)
		}
	}
	fmt.Fprintln(w, verdict(r.Violations))
}

func verdict(violations int) string {
	if violations == 0 {
		return "OK: nothing lost, repeated, out of order, missing or wrong"
	}
	return fmt.Sprintf("FAILED: %d violations", violations)
}

func printJSON(w io.Writer, v any) {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // these types always encode; a failure means that the reader is gone
}
