package llm

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/providers/internal/vendorapi"
)

// strictVendor refuses requests with one of the fields, naming the first that
// it meets, and counts requests by whether it did.
func strictVendor(t *testing.T, fields ...string) (v *vendor, refused, answered *int) {
	t.Helper()
	var mu sync.Mutex
	refused, answered = new(int), new(int)
	v = newVendor(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		var body map[string]any
		_ = json.NewDecoder(r.Body).Decode(&body)
		mu.Lock()
		defer mu.Unlock()
		for _, f := range fields {
			if _, ok := body[f]; ok {
				*refused++
				http.Error(w, `{"detail":[{"loc":["body","`+f+`"],"type":"extra_forbidden"}]}`, http.StatusUnprocessableEntity)
				return
			}
		}
		*answered++
		sayWhole(w)
	})
	return v, refused, answered
}

func TestOptional_RefusedFieldIsLeftOutFromThenOn(t *testing.T) {
	v, refused, answered := strictVendor(t, "stream_options")
	r, log := newTestRouter(t, TypeOpenAI, v.URL, nil)
	for range 3 {
		require.NoError(t, collect(t, r.Stream(t.Context(), prompt("Hi"))).err)
	}
	assert.Equal(t, 1, *refused)
	assert.Equal(t, 3, *answered)
	assert.Equal(t, 1, strings.Count(log.String(), "leaving it out"))
}

func TestOptional_ManyAtOnce(t *testing.T) {
	v, _, answered := strictVendor(t, "stream_options")
	r, _ := newTestRouter(t, TypeOpenAI, v.URL, nil)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for _, err := range r.Stream(t.Context(), prompt("Hi")) {
				assert.NoError(t, err)
			}
		})
	}
	all.Wait()
	assert.Equal(t, 16, *answered)
}

func TestOptional_RequiredFieldsStay(t *testing.T) {
	v, refused, _ := strictVendor(t, "messages")
	r, log := newTestRouter(t, TypeOpenAI, v.URL, nil)
	requireCode(t, chatbox.ModelRefused, collect(t, r.Stream(t.Context(), prompt("Hi"))).err, log)
	assert.Equal(t, 1, *refused)
}

// An omission that did not help is not remembered.
func TestOptional_UselessOmissionIsForgotten(t *testing.T) {
	var bodies []string
	v := newVendor(t, func(w http.ResponseWriter, r *http.Request, n int) {
		var body map[string]any
		_ = json.NewDecoder(r.Body).Decode(&body)
		if _, ok := body["stream_options"]; ok {
			bodies = append(bodies, "with")
		} else {
			bodies = append(bodies, "without")
		}
		if n < 3 {
			http.Error(w, `{"detail":"stream_options or anything else"}`, http.StatusBadRequest)
			return
		}
		sayWhole(w)
	})
	r, _ := newTestRouter(t, TypeOpenAI, v.URL, nil)
	require.Error(t, collect(t, r.Stream(t.Context(), prompt("Hi"))).err)
	require.NoError(t, collect(t, r.Stream(t.Context(), prompt("Hi"))).err)
	assert.Equal(t, []string{"with", "without", "with"}, bodies)
}

func TestNames_WholeWords(t *testing.T) {
	for text, want := range map[string]bool{
		`"stream_options"`: true, "stream_options": true, "x stream_options: no": true,
		"my_stream_options": false, "stream_options2": false, "": false, "xstream_options stream_options": true,
	} {
		assert.Equal(t, want, vendorapi.Names(text, "stream_options"), text)
	}
}
