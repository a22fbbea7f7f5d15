package desk

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/internal/lanes"
)

// searchWorld fakes the ports of the search and records the calls in order.
type searchWorld struct {
	heard []string
	about chatbox.AuditSubject
	asked helpdesk.SearchQuery
	fail  error
}

func (w *searchWorld) Record(_ context.Context, _ chatbox.Actor, action chatbox.AuditAction, about chatbox.AuditSubject) error {
	w.heard, w.about = append(w.heard, string(action)), about
	return w.fail
}

func (w *searchWorld) Check(q helpdesk.SearchQuery) error {
	w.heard = append(w.heard, "check")
	if q.Words == "?" {
		return chatbox.Invalid("q", "has no word")
	}
	return nil
}

func (w *searchWorld) Find(_ context.Context, q helpdesk.SearchQuery) (helpdesk.SearchPage, error) {
	w.heard, w.asked = append(w.heard, "find"), q
	return helpdesk.SearchPage{Next: "more"}, nil
}

func TestSearch_IsOnRecordBeforeItLooks(t *testing.T) {
	search := func(w *searchWorld, role string, q helpdesk.SearchQuery) error {
		t.Helper()
		s := NewSearch(SearchDeps{Audit: w, Finder: w})
		a := chatbox.Actor{Tenant: "acme", UserID: "ada", Roles: []string{role}}
		page, err := s.Search(t.Context(), a, q)
		assert.Equal(t, err == nil, page.Next == "more")
		return err
	}
	w := &searchWorld{}
	require.NoError(t, search(w, chatbox.RoleChatViewer, helpdesk.SearchQuery{Tenant: "theirs", Words: "secret", UserID: "bob"}))
	assert.Equal(t, []string{"check", "session.search", "find"}, w.heard)
	assert.Equal(t, chatbox.AuditSubject{UserID: "bob"}, w.about, "whom, not what")
	assert.Equal(t, "acme", w.asked.Tenant, "the caller's own")

	w = &searchWorld{}
	require.ErrorIs(t, search(w, "user", helpdesk.SearchQuery{}), chatbox.PermissionDenied)
	assert.Empty(t, w.heard)

	w = &searchWorld{}
	require.ErrorIs(t, search(w, chatbox.RoleAdmin, helpdesk.SearchQuery{Words: "?"}), chatbox.InvalidArgument)
	assert.Equal(t, []string{"check"}, w.heard, "what is refused is not on record")

	w = &searchWorld{fail: errors.New("away")}
	require.ErrorIs(t, search(w, chatbox.RoleAdmin, helpdesk.SearchQuery{}), w.fail)
	assert.NotContains(t, w.heard, "find", "nothing is done that is not on record")
}

// slowFinder blocks every search until it is released.
type slowFinder struct {
	entered, letGo chan struct{}
}

func (f *slowFinder) Record(context.Context, chatbox.Actor, chatbox.AuditAction, chatbox.AuditSubject) error {
	return nil
}

func (f *slowFinder) Check(helpdesk.SearchQuery) error { return nil }

func (f *slowFinder) Find(context.Context, helpdesk.SearchQuery) (helpdesk.SearchPage, error) {
	f.entered <- struct{}{}
	<-f.letGo
	return helpdesk.SearchPage{}, nil
}

// However many searches one member of staff starts, others can search. A search
// that waits too long is refused with the reason and leaves nothing behind.
func TestSearch_OneMemberOfStaffTakesNoLaneOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &slowFinder{entered: make(chan struct{}, 100), letGo: make(chan struct{})}
		s := NewSearch(SearchDeps{Audit: f, Finder: f})
		results := make(chan error, 20)
		search := func(who string) {
			a := chatbox.Actor{Tenant: "acme", UserID: who, Roles: []string{chatbox.RoleChatAdmin}}
			go func() {
				_, err := s.Search(t.Context(), a, helpdesk.SearchQuery{Words: "word"})
				results <- err
			}()
		}
		for range 10 {
			search("greedy")
		}
		synctest.Wait()
		assert.Len(t, f.entered, searchesEach)
		for _, who := range []string{"ada", "ben", "cem", "dee"} {
			search(who)
			synctest.Wait()
		}
		assert.Len(t, f.entered, searchLanes)
		refusals := map[chatbox.Code]int{}
		for range 10 - searchesEach + 1 {
			var refusal *chatbox.Error
			require.ErrorAs(t, <-results, &refusal)
			assert.Positive(t, refusal.RetryAfter)
			refusals[refusal.Code]++
		}
		assert.Equal(t, map[chatbox.Code]int{chatbox.RateLimited: 10 - searchesEach, chatbox.Unavailable: 1}, refusals)
		close(f.letGo)
		for range searchLanes {
			require.NoError(t, <-results)
		}
		<-time.After(lanes.MaxRest + time.Millisecond)
		assert.Zero(t, s.searches.Acts())
	})
}
