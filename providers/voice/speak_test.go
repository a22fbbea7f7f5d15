package voice

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
)

// frame is a frame of MPEG-2, layer III, 64 kbit/s, 24 kHz, which begins with text
// behind its header.
func frame(text string) string {
	head := "\xff\xf3\x84\xc4"
	return head + text + strings.Repeat("\x00", frameSize([]byte(head))-len(head)-len(text))
}

// asked is a request for speech.
type asked struct{ Model, Voice, Input, Format string }

func decodeAsked(t *testing.T, r *http.Request) asked {
	t.Helper()
	var got struct {
		asked

		ResponseFormat string `json:"response_format"`
	}
	assert.NoError(t, json.NewDecoder(r.Body).Decode(&got))
	got.Format = got.ResponseFormat
	return got.asked
}

func TestSpeak_AsksForMP3(t *testing.T) {
	v, _ := newSpeaker(t, newServer(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/v1/audio/speech", r.URL.Path)
		assert.Equal(t, "Bearer "+canary, r.Header.Get("Authorization"))
		assert.Equal(t, asked{"tts-1", "alloy", "Hello there.", "mp3"}, decodeAsked(t, r))
		_, _ = io.WriteString(w, frame("one")+frame("two"))
	})+"/v1")
	got, err := speak(t, v, "**Hello** [there](https://x.example).")
	require.NoError(t, err)
	assert.Equal(t, frame("one")+frame("two"), got)
}

func speak(t *testing.T, v *Speaker, text string) (string, error) {
	t.Helper()
	sound, err := v.Speak(t.Context(), text)
	if err != nil {
		return "", err
	}
	defer func() { assert.NoError(t, sound.Close()) }()
	got, err := io.ReadAll(sound)
	return string(got), err
}

func TestSpeak_JoinsTheSoundsOfALongText(t *testing.T) {
	id3 := "ID3\x04\x00\x00\x00\x00\x00\x05title"
	var n atomic.Int32
	var inputs []string
	v, _ := newSpeaker(t, newServer(t, func(w http.ResponseWriter, r *http.Request) {
		inputs = append(inputs, decodeAsked(t, r).Input)
		_, _ = io.WriteString(w, id3+frame("\x00\x00\x00\x00\x00\x00\x00\x00\x00Info")+frame("part")+string('0'+n.Add(1)))
	}))
	first, second := strings.Repeat("a", MaxPart-3)+".", "And more."
	got, err := speak(t, v, first+" "+second)
	require.NoError(t, err)
	assert.Equal(t, []string{first, second}, inputs)
	assert.Equal(t, frame("part")+"1"+frame("part")+"2", got, "neither tags nor lengths of one part")
}

func TestSpeak_Fails(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		body   string
		want   chatbox.Code
		asked  int32
	}{
		"key":      {401, prose + canary, chatbox.ModelRefused, 1},
		"quota":    {429, `{"error":{"code":"insufficient_quota","message":"` + prose + `"}}`, chatbox.ModelRefused, 1},
		"filter":   {400, `{"error":{"code":"content_policy_violation"}}`, chatbox.ModelRefused, 1},
		"redirect": {307, prose, chatbox.ModelRefused, 1},
		"down":     {503, prose, chatbox.ModelFailed, 3},
		"page":     {200, "<html>" + prose, chatbox.ModelRefused, 1},
		"json":     {200, `{"error":"` + prose + `"}`, chatbox.ModelRefused, 1},
		"wave":     {200, "RIFF1234WAVE" + prose, chatbox.ModelRefused, 1},
		"nothing":  {200, "", chatbox.ModelFailed, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			v, log := newSpeaker(t, newServer(t, func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				w.Header().Set("Location", "/"+prose)
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}))
			_, err := v.Speak(t.Context(), "Hello")
			requireCode(t, err, tt.want, log)
			assert.Equal(t, tt.asked, asked.Load())
		})
	}
}

func TestSpeak_BreaksOff(t *testing.T) {
	var asked atomic.Int32
	v, log := newSpeaker(t, newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Length", "100000")
		_, _ = io.WriteString(w, frame("one"))
	}))
	got, err := speak(t, v, "Hello")
	assert.Equal(t, frame("one"), got)
	requireCode(t, err, chatbox.ModelFailed, log)
	assert.EqualValues(t, 1, asked.Load(), "its sound was used")
}

func TestSpeak_LaterPartIsTriedAgain(t *testing.T) {
	var asked atomic.Int32
	v, _ := newSpeaker(t, newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 2 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = io.WriteString(w, frame("part"))
	}))
	got, err := speak(t, v, strings.Repeat("a", MaxPart)+" b")
	require.NoError(t, err)
	assert.Equal(t, strings.Repeat(frame("part"), 2), got)
}

func TestSpeak_BoundsTheSound(t *testing.T) {
	v, log := newSpeaker(t, newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		for f := frame("x"); ; {
			if _, err := io.WriteString(w, f); err != nil {
				return
			}
		}
	}))
	got, err := speak(t, v, "Hello")
	requireCode(t, err, chatbox.ModelRefused, log)
	assert.LessOrEqual(t, len(got), maxSound)
}

func TestSpeak_BoundsTheText(t *testing.T) {
	v, log := newSpeaker(t, "http://127.0.0.1:1")
	for _, text := range []string{strings.Repeat("a ", MaxPart*MaxParts), strings.Repeat("*", 1<<20)} {
		_, err := v.Speak(t.Context(), text)
		requireCode(t, err, chatbox.ModelRefused, log)
	}
	_, err := v.Speak(t.Context(), "<br> \n---\n")
	requireCode(t, err, chatbox.InvalidArgument, log)
}

func TestSpeak_TheCallerLeaves(t *testing.T) {
	v, _ := newSpeaker(t, newServer(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, frame("one"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	ctx, leave := context.WithCancelCause(t.Context())
	sound, err := v.Speak(ctx, "Hello")
	require.NoError(t, err)
	_, err = io.ReadFull(sound, make([]byte, len(frame("one"))))
	require.NoError(t, err)
	left := errors.New("left")
	leave(left)
	_, err = sound.Read(make([]byte, 1))
	require.ErrorIs(t, err, left)
	require.NoError(t, sound.Close())
}

func TestPlain(t *testing.T) {
	for markdown, want := range map[string]string{
		"# Head\n\nSome *very* __strong__ ~~old~~ `code`.":            "Head\nSome very strong old code.",
		"[a link](https://x.example \"title\") and ![a cat](cat.png)": "a link and a cat",
		"one\ntwo  \nthree":                     "one two\nthree",
		"```go\nx := 1\n```\nafter":             "x := 1\nafter",
		"| a | b |\n|---|---|\n| 1 | 2 |":       "a, b\n1, 2",
		"3. c\n4. d\n\n- x\n- [ ] y":            "3. c\n4. d\nx\ny",
		"> said &amp; done \\* 5 &#65;":         "said & done * 5 A",
		"a <b>bold</b> word\n\n<div>gone</div>": "a bold word",
		"see https://x.example/a now":           "see https://x.example/a now",
		"\xffbad":                               "bad",
		"":                                      "",
	} {
		assert.Equal(t, want, plain(markdown), markdown)
	}
}

func TestSplit(t *testing.T) {
	assert.Equal(t, []string{"One. Two.", "Three"}, split("One. Two. Three", 12))
	assert.Equal(t, []string{"one two", "three"}, split("one two three", 9))
	assert.Equal(t, []string{"äöü", "äö"}, split("äöüäö", 3), "characters, not bytes")
	assert.Equal(t, []string{"一。", "二三"}, split("一。二三", 3))
	assert.Equal(t, []string{"exactly so"}, split("exactly so", 10))
	assert.Empty(t, split(" \n ", 3))
}

// The parser would take minutes for some of these.
func TestPlain_BoundsTheParser(t *testing.T) {
	for _, marks := range []string{">", "*a_", "[a](", "1. ", "\n> ", "  \n", "|a", "`", "![", "\\*", "&#"} {
		hostile := strings.Repeat(marks, 96<<10/len(marks))
		assert.False(t, tame(hostile), marks)
		assert.NotContains(t, plain(hostile), "[")
	}
	wide := strings.Repeat("|a", 60) + "\n" + strings.Repeat("|-", 60) + "\n" + strings.Repeat("|a\n", 1000)
	assert.False(t, tame(wide), "each row has the cells of the first")
	assert.True(t, tame(strings.Repeat("Some *words* and [a link](https://x.example), `code` too.\n\n- a list\n  - of two\n\n", 200)))
	assert.Equal(t, "bold   and more", bare("**bold** and more"))
}
