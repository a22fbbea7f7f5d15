package app

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chatbox"
	"chatbox/app/alert"
	"chatbox/app/files"
	"chatbox/app/speech"
	"chatbox/app/transcribe"
	"chatbox/helpdesk"
)

// observer counts the events of the use cases for metrics.
type observer struct {
	modelMetrics

	post, firstPiece prometheus.Histogram
	generations      *prometheus.CounterVec
	healed, caughtUp prometheus.Counter
	unpublished      prometheus.Counter
	alerts           *prometheus.CounterVec
	uploads          *prometheus.CounterVec
	uploadBytes      prometheus.Counter
	scans            prometheus.Histogram
	transcripts      *prometheus.CounterVec
	speeches         *prometheus.CounterVec
	speechBytes      prometheus.Counter
}

// newObserver registers the metrics, with every outcome at 0.
func newObserver(reg prometheus.Registerer) *observer {
	seconds := prometheus.ExponentialBuckets(0.001, 2, 15) // 1 ms to 16 s
	o := &observer{
		modelMetrics: newModelMetrics(reg),
		post: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chat_post_seconds", Help: "From a durable frame to its ack in the queue.", Buckets: seconds,
		}),
		firstPiece: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "chat_first_delta_seconds", Help: "From the claim of a turn to the first piece shown.", Buckets: seconds,
		}),
		generations: byOutcome(prometheus.CounterOpts{
			Name: "chat_generations_total", Help: "Answers by how they ended on this pod.",
		}, generationOutcomes()),
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
	o.uploads = byOutcome(prometheus.CounterOpts{
		Name: "chat_uploads_total", Help: "Uploads of files by outcome.",
	}, files.Outcomes())
	o.uploadBytes = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "chat_upload_bytes_total", Help: "Bytes of the files that were stored.",
	})
	o.scans = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "chat_file_scan_seconds", Help: "How long the virus scanner took for a file.", Buckets: seconds,
	})
	o.transcripts = byOutcome(prometheus.CounterOpts{
		Name: "chat_transcripts_total", Help: "Work on transcripts of recordings by how it ended on this pod.",
	}, transcribe.Outcomes())
	o.speeches = byOutcome(prometheus.CounterOpts{
		Name: "chat_speech_total", Help: "Requests for the speech of an answer by outcome.",
	}, speech.Outcomes())
	o.speechBytes = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "chat_speech_bytes_total", Help: "Bytes of the speech that was stored.",
	})
	reg.MustRegister(o.uploads, o.uploadBytes, o.scans, o.transcripts, o.speeches, o.speechBytes)
	reg.MustRegister(o.alerts, o.post, o.firstPiece, o.generations, o.healed, o.caughtUp, o.unpublished)
	return o
}

// byOutcome makes a counter with every outcome at 0.
func byOutcome(opts prometheus.CounterOpts, outcomes []string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(opts, []string{"outcome"})
	for _, outcome := range outcomes {
		v.WithLabelValues(outcome)
	}
	return v
}

// generationOutcomes are those of answer.Observer's Generation.
func generationOutcomes() []string {
	return []string{
		string(chatbox.FinishStop), string(chatbox.FinishLength), string(chatbox.FinishCancelled), string(chatbox.FinishTakenOver),
		string(chatbox.FinishError), string(chatbox.FinishFilter), "lost", "released", "failed",
	}
}

func (o *observer) Posted(d time.Duration)         { o.post.Observe(d.Seconds()) }
func (o *observer) Generation(outcome string)      { o.generations.WithLabelValues(outcome).Inc() }
func (o *observer) Healed(events int)              { o.healed.Add(float64(events)) }
func (o *observer) CaughtUp(events int)            { o.caughtUp.Add(float64(events)) }
func (o *observer) PublishFailed()                 { o.unpublished.Inc() }
func (o *observer) FileScanned(took time.Duration) { o.scans.Observe(took.Seconds()) }

func (o *observer) Transcribed(outcome string) { o.transcripts.WithLabelValues(outcome).Inc() }

func (o *observer) FirstPiece(modelID string, claimed, asked time.Duration) {
	o.firstPiece.Observe(claimed.Seconds())
	o.began(modelID, asked)
}

func (o *observer) FileUploaded(outcome string, bytes int64) {
	o.uploads.WithLabelValues(outcome).Inc()
	o.uploadBytes.Add(float64(bytes))
}

func (o *observer) AnswerSpoken(outcome string, bytes int64) {
	o.speeches.WithLabelValues(outcome).Inc()
	o.speechBytes.Add(float64(bytes))
}

func (o *observer) AlertTried(kind, outcome string) {
	o.alerts.WithLabelValues(kind, outcome).Inc()
}
