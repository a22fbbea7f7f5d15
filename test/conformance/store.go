// Package conformance is the contracts of the ports as tests: each takes a
// factory, and every implementation passes the same ones.
package conformance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chatbox"
	"chatbox/app"
	"chatbox/app/access"
	"chatbox/app/alert"
	"chatbox/app/conversation"
	"chatbox/app/desk"
	"chatbox/app/feedback"
	"chatbox/app/files"
	"chatbox/app/history"
	"chatbox/app/privacy"
	"chatbox/app/transcribe"
	"chatbox/persistence"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Stores is one store by its ports.
type Stores struct {
	Messages    app.MessageStore
	Sessions    app.SessionStore
	Turns       app.TurnStore
	Alerts      alert.Store
	Transcripts transcribe.Store
	Tombs       privacy.Tombstones
	Shares      app.ShareStore
	Audit       app.AuditLog
	Ledger      history.Overview
	Concurrency app.Concurrency
	Erasures    privacy.Erasures
	Cards       Cards
	Ratings     conversation.Ratings
	Feedback    feedback.Store
	Finder      desk.Finder
	Blocks      Blocks

	Withdrawals access.Archive
	Queue       desk.Queue
	Labels      desk.Labels
	Peers       app.Peers
	Rotation    Rotation
	Files       files.Records
}

// Cards is the store of cards by its ports.
type Cards interface {
	desk.Cards
	app.Cards
}

// Blocks is the store of blocks by its ports.
type Blocks interface {
	access.Blocks
	app.Blocks
}

// StoreFixture is a store under test and what only its keeper can do to it.
type StoreFixture struct {
	Stores
	// Reopen opens the same data a second time, under other keys.
	Reopen func(t *testing.T, keys ...persistence.Key) Stores
	// NoWords opens the same data a second time, words not indexed.
	NoWords func(t *testing.T) Stores
	// MoveBox overwrites the sealed part of the event at to with that of the
	// event at from.
	MoveBox func(t *testing.T, k chatbox.SessionKey, from, to int64)
	// AlterBox changes one bit of the event's sealed part.
	AlterBox func(t *testing.T, k chatbox.SessionKey, seq int64)
	// AlterNames changes one bit of the session's sealed name and owner's name.
	AlterNames func(t *testing.T, k chatbox.SessionKey)
	// SpoilFold overwrites the session's stored fold with what is none.
	SpoilFold func(t *testing.T, k chatbox.SessionKey)
	// AlterAudit changes what one entry of a tenant's audit log says;
	// RemoveAudit deletes it.
	AlterAudit  func(t *testing.T, tenant string, n int64)
	RemoveAudit func(t *testing.T, tenant string, n int64)
	// AtRest is all that is stored, byte for byte.
	AtRest func(t *testing.T) []byte
}

// StoreKey is the key under which open opens its fixture.
func StoreKey() persistence.Key {
	return persistence.Key{ID: "first", Secret: [32]byte{7: 1, 19: 200, 31: 9}}
}

// storePart is one part of the contract.
type storePart struct {
	name string
	run  func(t *testing.T, f StoreFixture)
}

// Store runs the contract. open is called once for each part; parts use
// tenants of their own, so they may share one database.
func Store(t *testing.T, open func(t *testing.T) StoreFixture) {
	t.Helper()
	for _, part := range append(slices.Concat(blockParts(), cardParts(), fileParts(), searchParts()), []storePart{
		{"Append/ReadsBackWhatWasWritten", appendReadsBack},
		{"Append/KeepsContentByteForByte", appendKeepsBytes},
		{"Append/RefusesATakenPlaceOrKey", appendClashes},
		{"Append/NeighboursDoNotFailEachOther", appendNeighbours},
		{"Append/RacingAppendersMakeOneDenseOrder", appendRace},
		{"Append/ARepeatOnManyPodsTakesEffectOnce", appendRepeats},
		{"Append/HonoursItsContext", appendContext},
		{"ByKey/FindsOnlyItsOwn", byKey},
		{"Range/ClosedBothWays", closedRange},
		{"Tenants/AreWalls", tenants},
		{"Secrecy/NothingReadableAtRest", secrecyAtRest},
		{"Secrecy/MovedOrAlteredIsUnreadable", secrecyMoved},
		{"Secrecy/KeysRotate", secrecyKeys},
		{"Unreadable/ASessionStaysInEveryList", unreadableSession},
		{"Unreadable/WhatStaffKeepsStaysInItsList", unreadableAside},
		{"Unreadable/ATurnIsClaimedAllTheSame", unreadableTurn},
		{"Unreadable/SearchPassesItOver", unreadableSearch},
		{"Unreadable/IsErased", unreadableErased},
		{"Unreadable/TheLastFoldReplacesWhatIsNone", unreadableFold},
		{"Turns/ClaimsAreCounted", turnClaims},
		{"Turns/SettleByRun", turnSettle},
		{"Turns/RetryIsOneRunFurther", turnRetry},
		{"Turns/PendingSweep", turnSweep},
		{"Turns/PendingOfASession", turnsOf},
		{"Alerts/OneClaimOfARace", alertClaim},
		{"Alerts/SettledByTheClaim", alertSettle},
		{"Alerts/DueOnes", alertDue},
		{"Alerts/NoneWithoutItsEvent", alertClash},
		{"Transcripts/OneClaimOfARace", transcriptClaim},
		{"Transcripts/SettledAndTriedAgain", transcriptSettle},
		{"Transcripts/DueOnes", transcriptDue},
		{"Transcripts/GoneWithTheirEvents", transcriptGone},
		{"Ledger/EveryOrderPages", ledgerOrders},
		{"Ledger/Filters", ledgerFilters},
		{"Ledger/Refuses", ledgerRefuses},
		{"Ledger/Summary", ledgerSummary},
		{"Queue/WhoWaitsLongestIsFirst", queueOrder},
		{"Queue/FollowsTheFold", queueFollows},
		{"Queue/IsAnOrderOfTheLedger", queueLists},
		{"Labels/ReadBackWhatWasPutOn", labelsReadBack},
		{"Labels/AreFilters", labelsFilter},
		{"Labels/CountedByTag", labelsCount},
		{"Labels/Workload", labelsWorkload},
		{"Labels/GoWithTheSessionAndThePerson", labelsGo},
		{"Labels/KeysRotateAndNothingIsReadable", labelsSecret},
		{"Concurrency/PodsAddUp", concurrencyAddsUp},
		{"Concurrency/SaySince", concurrencySaysSince},
		{"Erasures/AMarkStaysUntilTheLastTombstoneIsNobodys", erasures},
		{"Audit/ReadsBackWhatWasRecorded", auditReadsBack},
		{"Audit/PodsMakeOneChain", auditRace},
		{"Audit/ACrowdIsWritten", auditCrowd},
		{"Audit/TamperingIsFound", auditTampering},
		{"Audit/ThePersonIsForgottenTheChainIsNot", auditForgets},
		{"Sessions/OneOwnerOfARace", sessionRace},
		{"Sessions/ReadBackWhatWasWritten", sessionReadsBack},
		{"Sessions/TouchNeverGoesBack", sessionTouch},
		{"Sessions/Name", sessionName},
		{"Sessions/ListPages", sessionList},
		{"Sessions/ListOrderAndFilter", sessionListOrder},
		{"Sessions/ListRefuses", sessionListRefuses},
		{"Ratings/TheNewestOfTheNewestTalkStands", ratings},
		{"Feedback/TheNewestStandsAndListsItsSession", feedbacks},
		{"Feedback/RacesAgree", racingFeedback},
		{"Erase/RangesAndNothingElse", eraseRanges},
		{"Erase/TombstonesStay", eraseBuries},
		{"Erase/SweepsUntilTheyAreOver", eraseSweeps},
		{"Shares/FoundByTheirTokenAlone", shareByToken},
		{"Shares/RevokedAndExpired", shareEnds},
		{"Shares/ABoundedNumber", shareBound},
		{"Shares/KeysRotate", shareKeys},
		{"Peers/MeetAndLeave", peersMeet},
		{"Withdrawals/TheLaterStands", withdrawalsLater},
		{"Withdrawals/RacesAreSettled", withdrawalsRace},
	}...) {
		t.Run(part.name, func(t *testing.T) { part.run(t, open(t)) })
	}
}

// unique makes names that no other part or run uses.
func unique(prefix string) string { return prefix + strings.ToLower(ulid.Make().String()) }

func newKey() chatbox.SessionKey {
	return chatbox.SessionKey{Tenant: unique("t-"), ID: unique("s-")}
}

var epoch = time.UnixMilli(1_750_000_000_123).UTC() //nolint:gochecknoglobals // a constant that Go cannot spell

// said is a user's message at the place.
func said(k chatbox.SessionKey, seq int64, content string) chatbox.Event {
	id := fmt.Sprintf("m%d", seq)
	return chatbox.Event{
		Session: k, Seq: seq, Key: chatbox.ClientKey("u", id), ID: id, Named: true, Type: chatbox.TypeUserMessage,
		Sender: chatbox.SenderUser, UserID: "u", Owner: "u", Content: content,
		Time: epoch.Add(time.Duration(seq) * time.Millisecond), Status: chatbox.StatusComplete,
	}
}

func appendAll(t *testing.T, s Stores, events ...chatbox.Event) {
	t.Helper()
	for _, e := range events {
		require.NoError(t, s.Messages.Append(t.Context(), e))
	}
}

// fill appends n messages to the session, several sessions' worth at once
// being the caller's affair.
func fill(t *testing.T, s Stores, k chatbox.SessionKey, n int64) {
	t.Helper()
	for seq := int64(1); seq <= n; seq++ {
		require.NoError(t, s.Messages.Append(t.Context(), said(k, seq, fmt.Sprint("message ", seq))))
	}
}

func byKey(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	fill(t, f.Stores, k, 3)
	got, err := f.Messages.ByKey(t.Context(), k, chatbox.ClientKey("u", "m2"))
	require.NoError(t, err)
	assert.Equal(t, said(k, 2, "message 2"), got)
	for _, key := range []string{"", "c:u:m4", "C:U:M2", chatbox.AnswerKey(2, 1)} {
		_, err := f.Messages.ByKey(t.Context(), k, key)
		require.ErrorIs(t, err, chatbox.NotFound, key)
	}
	_, err = f.Messages.ByKey(t.Context(), newKey(), chatbox.ClientKey("u", "m2"))
	require.ErrorIs(t, err, chatbox.NotFound)
}

func closedRange(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	const n = 130
	fill(t, f.Stores, k, n)
	seqs := func(from, to int64) []int64 {
		t.Helper()
		events, err := f.Messages.Range(t.Context(), k, from, to)
		require.NoError(t, err)
		out := make([]int64, len(events))
		for i, e := range events {
			out[i] = e.Seq
		}
		return out
	}
	span := func(from, to int64) []int64 {
		out := []int64{}
		for s := from; s <= to; s++ {
			out = append(out, s)
		}
		return out
	}
	for from := int64(1); from <= n; from += 50 {
		assert.Equal(t, span(from, min(n, from+49)), seqs(from, from+49), "forwards")
	}
	for to := int64(n); to >= 1; to -= 37 {
		assert.Equal(t, span(max(1, to-36), to), seqs(to-36, to), "backwards")
	}
	assert.Equal(t, span(7, 7), seqs(7, 7))
	assert.Empty(t, seqs(8, 7))
	assert.Empty(t, seqs(n+1, n+64))
	assert.Empty(t, seqs(-5, 0))
}

func tenants(t *testing.T, f StoreFixture) {
	t.Helper()
	a := newKey()
	b, none := chatbox.SessionKey{Tenant: unique("t-"), ID: a.ID}, chatbox.SessionKey{ID: a.ID}
	for _, k := range []chatbox.SessionKey{a, b, none} {
		appendAll(t, f.Stores, said(k, 1, "in "+k.Tenant))
		_, created, err := f.Sessions.Create(t.Context(), chatbox.Session{Key: k, Owner: "u", CreatedAt: epoch})
		require.NoError(t, err)
		assert.True(t, created)
	}
	for _, k := range []chatbox.SessionKey{a, b, none} {
		events, err := f.Messages.Range(t.Context(), k, 1, 9)
		require.NoError(t, err)
		require.Len(t, events, 1)
		assert.Equal(t, "in "+k.Tenant, events[0].Content)
	}
	page, err := f.Sessions.List(t.Context(), chatbox.SessionQuery{User: chatbox.UserKey{Tenant: b.Tenant, ID: "u"}, Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Sessions, 1)
	assert.Equal(t, b, page.Sessions[0].Key)
	_, err = f.Sessions.Load(t.Context(), chatbox.SessionKey{Tenant: unique("t-"), ID: a.ID})
	require.ErrorIs(t, err, chatbox.NotFound)
}
