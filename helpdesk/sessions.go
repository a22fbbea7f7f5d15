package helpdesk

import (
	"math"
	"time"

	"chatbox"
)

// SessionSort is the order of staff's list of sessions.
type SessionSort string

// The orders. Sessions that compare equal are ordered by id.
const (
	SortStart    SessionSort = "start_time"
	SortEnd      SessionSort = "end_time" // sessions that have not ended come first
	SortActivity SessionSort = "last_activity"
	SortDuration SessionSort = "duration"
	SortMessages SessionSort = "message_count"
	SortTokens   SessionSort = "total_tokens"
	SortUser     SessionSort = "user_id"
	SortWaiting  SessionSort = "waiting_since" // only waiting sessions
)

// SessionSorts lists all orders.
func SessionSorts() []SessionSort {
	return []SessionSort{SortStart, SortEnd, SortActivity, SortDuration, SortMessages, SortTokens, SortUser, SortWaiting}
}

// MaxCounted bounds the count of matching sessions.
const MaxCounted = 100_000

// StaffQuery requests one page of a tenant's sessions. Empty or nil filters
// match everything.
type StaffQuery struct {
	Tenant   string
	UserID   string
	Status   string // "active" or "ended"
	Assisted *bool
	Help     *bool
	Waiting  *bool           // for a person; false is refused with SortWaiting
	Tags     []string        // must all match, ignoring case
	Assigned string          // to this member of staff
	HeldBy   string          // by this member of staff
	Feedback chatbox.Opinion // sessions with an answer of which the owner thinks so, up or down
	Name     string          // words of the session's name, in any order; "quoted" words must follow one another; needs the word index
	From, To time.Time       // From ≤ start < To
	Sort     SessionSort
	Desc     bool
	Limit    int // 1-1000
	Offset   int // not with a cursor
	Cursor   string
}

// WaitingOnly returns the effective filter Waiting: SortWaiting implies true.
func (q StaffQuery) WaitingOnly() *bool {
	if q.Sort != SortWaiting {
		return q.Waiting
	}
	yes := true
	return &yes
}

// StaffPage is one page of a tenant's sessions.
type StaffPage struct {
	Sessions []chatbox.Session
	Next     string // empty on the last page
	// Total is the number of matching sessions as of the first page; later
	// pages carry it in their cursor. If More is set, more than MaxCounted
	// match and Total is MaxCounted.
	Total int64
	More  bool
}

// SessionSummary is the totals of the sessions that began within a period.
type SessionSummary struct {
	Total, Active   int64
	Tokens          int64
	Answers         int64
	ResponseTotal   int64 // milliseconds
	ResponseMax     int64 // milliseconds
	Assisted, Asked int64 // assisted by an admin; asked for help
	Ratings, Scores int64 // the number of ratings and the sum of their scores
}

// AvgResponse returns the mean time to a complete answer in milliseconds.
func (s SessionSummary) AvgResponse() int64 {
	if s.Answers == 0 {
		return 0
	}
	return s.ResponseTotal / s.Answers
}

// AvgRating returns the mean score, rounded to hundredths; 0 without ratings.
func (s SessionSummary) AvgRating() float64 {
	if s.Ratings == 0 {
		return 0
	}
	return math.Round(float64(s.Scores)/float64(s.Ratings)*100) / 100
}

// ConcurrencySample counts a tenant's sessions with sockets on one pod during one minute.
// A pod rewrites it while the minute lasts.
type ConcurrencySample struct {
	Tenant  string
	Pod     chatbox.PodID
	Run     string // of the pod's process
	Minute  time.Time
	Since   time.Time // the first presence within the minute; zero: all along
	Seconds float64   // sessions × seconds
	Peak    int64
}

// Concurrency combines the samples of a period, adding up the pods of each
// minute.
type Concurrency struct {
	Since   time.Time // the first presence; zero: none
	Seconds float64   // sessions × seconds
	Peak    int64     // of one minute: the sum of the pods' peaks, which may not have coincided
}

// Metrics are staff's figures of a period. All but the concurrent counts
// concern the sessions that began in it.
type Metrics struct {
	From, To      time.Time
	Sessions      SessionSummary
	AvgConcurrent float64
	MaxConcurrent int64
}
