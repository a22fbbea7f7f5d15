package llm

import (
	"encoding/json"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
)

func difyDialect() dialect { return dialects()[1] }

func TestDify_Request(t *testing.T) {
	var body difyRequest
	d := difyDialect()
	v := newVendor(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		assert.Equal(t, "Bearer "+canary, r.Header.Get("Authorization"))
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		say(w, d.hello, d.end)
	})
	r, _ := newTestRouter(t, TypeDify, v.URL, withoutContinue)
	a := collect(t, r.Stream(t.Context(), prompt("Hi")))
	require.NoError(t, a.err)
	assert.Equal(t, difyRequest{Inputs: map[string]string{"system": "Be brief."}, Query: "Hi", ResponseMode: "streaming", User: difyUser}, body)

	p := prompt("one")
	p.Messages = append(p.Messages, chatbox.PromptMessage{Role: chatbox.RoleAssistant, Content: "two"}, chatbox.PromptMessage{Role: chatbox.RoleUser, Content: "three"})
	a = collect(t, r.Stream(t.Context(), p))
	require.NoError(t, a.err)
	assert.Equal(t, "What was said so far:\n\nUser: one\nAssistant: two\n\nNow answer this:\n\nthree", body.Query)
}

func TestDify_StopsWhatIsLeftEarly(t *testing.T) {
	d := difyDialect()
	var stopped atomic.Int32
	v := newVendor(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		if isStop(w, r) {
			stopped.Add(1)
			return
		}
		say(w, d.begin, d.hello)
		<-r.Context().Done()
	})
	r, _ := newTestRouter(t, TypeDify, v.URL, withoutContinue)
	ctx, cancel := contextWithCause(t)
	for _, err := range r.Stream(ctx, prompt("Hi")) {
		require.NoError(t, err)
		cancel(chatbox.NotOwner) // a cancelled prompt stops Dify too
		break
	}
	r.Close()
	assert.EqualValues(t, 1, stopped.Load())
}

func TestDify_DoesNotStopWhatIsOver(t *testing.T) {
	d := difyDialect()
	for _, end := range []string{d.end, d.failure} {
		v := newVendor(t, func(w http.ResponseWriter, _ *http.Request, _ int) { say(w, d.begin, d.hello, end) })
		r, _ := newTestRouter(t, TypeDify, v.URL, withoutContinue)
		collect(t, r.Stream(t.Context(), prompt("Hi")))
		r.Close()
		assert.EqualValues(t, 1, v.requests.Load())
	}
}

func TestDify_Replacement(t *testing.T) {
	d := difyDialect()
	for name, tt := range map[string]struct {
		lines   []string
		pieces  []string
		replace []bool
		finish  chatbox.Finish
	}{
		"after words":        {[]string{d.hello, replaceEvent("no"), d.end}, []string{"Hello", "no"}, []bool{false, true}, chatbox.FinishStop},
		"before any word":    {[]string{replaceEvent("no"), d.end}, []string{"no"}, []bool{false}, chatbox.FinishStop},
		"with words behind":  {[]string{d.hello, replaceEvent("no"), d.hello, d.end}, []string{"Hello", "no", "Hello"}, []bool{false, true, false}, chatbox.FinishStop},
		"twice":              {[]string{d.hello, replaceEvent("a"), replaceEvent("b"), d.end}, []string{"Hello", "a", "b"}, []bool{false, true, true}, chatbox.FinishStop},
		"by nothing":         {[]string{d.hello, replaceEvent(""), d.end}, []string{"Hello", ""}, []bool{false, true}, chatbox.FinishFilter},
		"by nothing at once": {[]string{d.hello, replaceEvent(""), d.hello, d.end}, []string{"Hello", "", "Hello"}, []bool{false, true, false}, chatbox.FinishStop},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVendor(t, func(w http.ResponseWriter, r *http.Request, _ int) {
				if !isStop(w, r) {
					say(w, tt.lines...)
				}
			})
			r, _ := newTestRouter(t, TypeDify, v.URL, withoutContinue)
			var pieces []string
			var replace []bool
			var finish chatbox.Finish
			for delta, err := range r.Stream(t.Context(), prompt("Hi")) {
				require.NoError(t, err)
				if finish = delta.Finish; finish == "" {
					pieces, replace = append(pieces, delta.Text), append(replace, delta.Replace)
				}
			}
			assert.Equal(t, tt.pieces, pieces)
			assert.Equal(t, tt.replace, replace)
			assert.Equal(t, tt.finish, finish)
			r.Close()
		})
	}
}

func replaceEvent(text string) string {
	return event(`{"event":"message_replace","task_id":"task-1","answer":"` + text + `"}`)
}
