package chatbox

import (
	"math"
	"time"
)

// SessionSort is by what staff's list of sessions is ordered.
type SessionSort string

// The orders. Sessions that are alike in it follow one another by id.
const (
	SortStart    SessionSort = "start_time"
	SortEnd      SessionSort = "end_time" // those that have not ended come before all that have
	SortActivity SessionSort = "last_activity"
	SortDuration SessionSort = "duration"
	SortMessages SessionSort = "message_count"
	SortTokens   SessionSort = "total_tokens"
	SortUser     SessionSort = "user_id"
	SortWaiting  SessionSort = "waiting_since" // only those that wait
)

// SessionSorts lists all of them.
func SessionSorts() []SessionSort {
	return []SessionSort{SortStart, SortEnd, SortActivity, SortDuration, SortMessages, SortTokens, SortUser, SortWaiting}
}

// MaxCounted is up to how many matching sessions are counted.
const MaxCounted = 100_000

// StaffQuery asks for one page of a tenant's sessions. Filters that are empty
// or nil let all pass.
type StaffQuery struct {
	Tenant   string
	UserID   string
	Status   string // "active" or "ended"
	Assisted *bool
	Help     *bool
	Waiting  *bool     // for a person; false is refused with SortWaiting
	Tags     []string  // all of them, whatever their case
	Assigned string    // to this member of staff
	HeldBy   string    // by this member of staff
	Name     string    // words of the session's name, of "phrases" as well in whatever order; they must be indexed
	From, To time.Time // From ≤ start < To
	Sort     SessionSort
	Desc     bool
	Limit    int // 1-1000
	Offset   int // not with a cursor
	Cursor   string
}

// WaitingOnly is Waiting with what the order says of it.
func (q StaffQuery) WaitingOnly() *bool {
	if q.Sort != SortWaiting {
		return q.Waiting
	}
	yes := true
	return &yes
}

// StaffPage is one page of a tenant's sessions.
type StaffPage struct {
	Sessions []Session
	Next     string // empty on the last page
	// Total is how many sessions match, as of the first page: later pages carry
	// it in their cursor. Where More is set there are more than MaxCounted, and
	// Total is that.
	Total int64
	More  bool
}

// SessionSummary is what the sessions that began within a period come to.
type SessionSummary struct {
	Total, Active   int64
	Tokens          int64
	Answers         int64
	ResponseTotal   int64 // milliseconds
	ResponseMax     int64 // milliseconds
	Assisted, Asked int64 // by an admin; for help
	Ratings, Scores int64 // how many were rated, and the sum of their scores
}

// AvgResponse is the mean time to a complete answer in milliseconds.
func (s SessionSummary) AvgResponse() int64 {
	if s.Answers == 0 {
		return 0
	}
	return s.ResponseTotal / s.Answers
}

// AvgRating is the mean score, rounded to hundredths; 0 where nothing was
// rated.
func (s SessionSummary) AvgRating() float64 {
	if s.Ratings == 0 {
		return 0
	}
	return math.Round(float64(s.Scores)/float64(s.Ratings)*100) / 100
}

// Crowd is how many of a tenant's sessions had sockets on one pod during one
// minute. A pod writes it again and again while the minute lasts.
type Crowd struct {
	Tenant  string
	Pod     PodID
	Run     string // of the pod's process
	Minute  time.Time
	Since   time.Time // when anybody was first there in it; zero: all along
	Seconds float64   // sessions × seconds
	Peak    int64
}

// Concurrency is what the crowds of a period come to, the pods of each minute
// together.
type Concurrency struct {
	Since   time.Time // when anybody was first there; zero: nobody was
	Seconds float64   // sessions × seconds
	Peak    int64     // of a minute: the sum of the pods' peaks, which need not have met
}

// Metrics is what staff is shown of a period. Everything but the concurrent
// counts is about the sessions that began in it.
type Metrics struct {
	From, To      time.Time
	Sessions      SessionSummary
	AvgConcurrent float64
	MaxConcurrent int64
}

// Erasing is a person whose sessions that began before a time are being erased.
type Erasing struct {
	User UserKey
	At   time.Time
}
