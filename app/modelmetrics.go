package app

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chatbox"
)

// modelMetrics count the work of models.
type modelMetrics struct {
	firsts *prometheus.HistogramVec
	tokens *prometheus.CounterVec
	errors *prometheus.CounterVec
	liked  *prometheus.CounterVec
}

// Kinds of tokens.
const (
	tokensPrompt     = "prompt"
	tokensCompletion = "completion"
)

func newModelMetrics(reg prometheus.Registerer) modelMetrics {
	m := modelMetrics{
		firsts: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "chat_model_first_piece_seconds", Help: "From the request to a model to the first piece shown.",
			Buckets: prometheus.ExponentialBuckets(0.01, 2, 14), // 10 ms to 82 s
		}, []string{"model"}),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chat_model_tokens_total", Help: "Tokens of stored answers, as the provider counts them or as estimated.",
		}, []string{"model", "kind"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chat_model_errors_total", Help: "Answers that a model's failure has ended, by the code of the error.",
		}, []string{"model", "code"}),
		liked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chat_feedback_total", Help: "Changes of users' feedback on answers, by model and new value.",
		}, []string{"model", "value"}),
	}
	reg.MustRegister(m.firsts, m.tokens, m.errors, m.liked)
	return m
}

// Spent implements answer.Observer.
func (m modelMetrics) Spent(modelID string, u chatbox.Usage) {
	if modelID == "" || !u.Known() {
		return
	}
	m.tokens.WithLabelValues(modelID, tokensPrompt).Add(float64(u.Prompt))
	m.tokens.WithLabelValues(modelID, tokensCompletion).Add(float64(u.Completion))
}

// ModelFailed implements answer.Observer.
func (m modelMetrics) ModelFailed(modelID string, code chatbox.Code) {
	m.errors.WithLabelValues(modelID, string(code)).Inc()
}

// Feedback implements feedback.Observer.
func (m modelMetrics) Feedback(modelID string, o chatbox.Opinion) {
	m.liked.WithLabelValues(modelID, string(o)).Inc()
}

func (m modelMetrics) began(modelID string, asked time.Duration) {
	m.firsts.WithLabelValues(modelID).Observe(asked.Seconds())
}
