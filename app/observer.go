package app

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chatbox"
	"chatbox/app/alert"
	"chatbox/app/files"
	"chatbox/helpdesk"
)

// observer counts the events of the use cases for metrics.
type observer struct {
	post, firstPiece prometheus.Histogram
	generations      *prometheus.CounterVec
	healed, caughtUp prometheus.Counter
	unpublished      prometheus.Counter
	alerts           *prometheus.CounterVec
	uploads          *prometheus.CounterVec
	uploadBytes      prometheus.Counter
	scans            prometheus.Histogram
}

// newObserver registers the metrics, with every outcome at 0.
func newObserver(reg prometheus.Registerer) *observer {
	seconds := prometheus.ExponentialBuckets(0.001, 2, 15) // 1 ms to 16 s
	o := &observer{
		post: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chat_post_seconds", Help: "From a durable frame to its ack in the queue.", Buckets: seconds,
		}),
		firstPiece: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chat_first_delta_seconds", Help: "From the claim of a turn to the first piece shown.", Buckets: seconds,
		}),
		generations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chat_generations_total", Help: "Answers by how they ended on this pod.",
		}, []string{"outcome"}),
		healed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chat_seq_gaps_total", Help: "Events published because a gap between Redis and the history was met.",
		}),
		caughtUp: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chat_caught_up_total", Help: "Events read because this pod had missed them on the bus.",
		}),
		unpublished: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chat_publish_failed_total", Help: "Durable events whose publication was left to the sweepers.",
		}),
	}
	o.alerts = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "chat_alerts_total", Help: "Attempts to tell staff of a request for help, by channel and outcome.",
	}, []string{"channel", "outcome"})
	for _, kind := range []string{helpdesk.ViaStaff, helpdesk.ViaEmail, helpdesk.ViaSMS, helpdesk.ViaWebhook, helpdesk.ViaNotify} {
		for _, outcome := range []string{alert.OutcomeSent, alert.OutcomeRetried, alert.OutcomeFailed} {
			o.alerts.WithLabelValues(kind, outcome)
		}
	}
	o.uploads = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "chat_uploads_total", Help: "Uploads of files by outcome.",
	}, []string{"outcome"})
	for _, outcome := range files.Outcomes() {
		o.uploads.WithLabelValues(outcome)
	}
	o.uploadBytes = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "chat_upload_bytes_total", Help: "Bytes of the files that were stored.",
	})
	o.scans = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "chat_file_scan_seconds", Help: "How long the virus scanner took for a file.", Buckets: seconds,
	})
	reg.MustRegister(o.uploads, o.uploadBytes, o.scans)
	reg.MustRegister(o.alerts, o.post, o.firstPiece, o.generations, o.healed, o.caughtUp, o.unpublished)
	for _, outcome := range []chatbox.Finish{
		chatbox.FinishStop, chatbox.FinishLength, chatbox.FinishCancelled, chatbox.FinishTakenOver,
		chatbox.FinishError, chatbox.FinishFilter, "lost", "released", "failed",
	} {
		o.generations.WithLabelValues(string(outcome))
	}
	return o
}

func (o *observer) Posted(d time.Duration)         { o.post.Observe(d.Seconds()) }
func (o *observer) FirstPiece(d time.Duration)     { o.firstPiece.Observe(d.Seconds()) }
func (o *observer) Generation(outcome string)      { o.generations.WithLabelValues(outcome).Inc() }
func (o *observer) Healed(events int)              { o.healed.Add(float64(events)) }
func (o *observer) CaughtUp(events int)            { o.caughtUp.Add(float64(events)) }
func (o *observer) PublishFailed()                 { o.unpublished.Inc() }
func (o *observer) FileScanned(took time.Duration) { o.scans.Observe(took.Seconds()) }

func (o *observer) FileUploaded(outcome string, bytes int64) {
	o.uploads.WithLabelValues(outcome).Inc()
	o.uploadBytes.Add(float64(bytes))
}

func (o *observer) AlertTried(kind, outcome string) {
	o.alerts.WithLabelValues(kind, outcome).Inc()
}
