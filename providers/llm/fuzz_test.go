package llm

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/providers/internal/vendorapi"
	"chatbox/test/fuzz"
)

// Reading any bytes from a vendor ends. The result is the same however the bytes
// are cut into packets, and contains no part of the key.

func FuzzOpenAIStream(f *testing.F) {
	fuzzStream(f, openaiCases(), func(body io.Reader) func() (step, error) {
		return apart((&openaiStream{events: newEvents(body), key: NewSecret(canary)}).next)
	})
}

func FuzzAnthropicStream(f *testing.F) {
	fuzzStream(f, anthropicCases(), func(body io.Reader) func() (step, error) {
		return (&anthropicStream{events: newEvents(body), key: NewSecret(canary), cut: " \n"}).next
	})
}

func FuzzDifyStream(f *testing.F) {
	fuzzStream(f, difyCases(), func(body io.Reader) func() (step, error) {
		return apart((&difyStream{events: newEvents(body), key: NewSecret(canary)}).next)
	})
}

func fuzzStream(f *testing.F, cases []vendorCase, open func(io.Reader) func() (step, error)) {
	f.Helper()
	for _, c := range cases {
		r := readFuzzSeed(f, c.file)
		f.Add(r)
	}
	fuzz.Run(f, func(t fuzz.T, body []byte) {
		whole := drain(t, open(bytes.NewReader(body)))
		require.Equal(t, whole, drain(t, open(iotest.OneByteReader(bytes.NewReader(body)))))
		require.NotContains(t, whole.err, canary)
	})
}

func readFuzzSeed(f *testing.F, file string) []byte {
	f.Helper()
	raw := readFile(f, file)
	if filepath.Ext(file) == ".http" {
		_, raw, _ = bytes.Cut(raw, []byte("\r\n\r\n"))
	}
	return raw
}

// drained is all that a stream's steps say.
type drained struct {
	text   string
	finish chatbox.Finish
	ended  bool
	usage  chatbox.Usage
	err    string
}

func drain(tb testing.TB, next func() (step, error)) (d drained) {
	tb.Helper()
	var joined pairing
	for {
		st, err := next()
		if st.replace {
			d.text, joined = "", pairing{}
		}
		d.text += joined.join(st.text)
		if st.finish != "" {
			d.finish = st.finish
		}
		d.ended = d.ended || st.ended
		if st.usage != nil {
			d.usage = *st.usage
			require.True(tb, d.usage.Known())
		}
		if err == nil && !st.terminal {
			continue
		}
		d.text += joined.rest()
		if err != nil && !errors.Is(err, io.EOF) {
			d.err = vendorapi.AsFailure(NewSecret(canary), err).Error()
		}
		return d
	}
}

// FuzzThinking: however a text is cut into pieces, the same of it is the
// answer's, and a text without tags is all of it.
func FuzzThinking(f *testing.F) {
	f.Add("<think>a</think>\nb", 3)
	f.Add("a\n```\n<think>\n```\n</think>", 1)
	f.Add("a\n</think>\nb<thinking>", 2)
	fuzz.Run(f, func(t fuzz.T, text string, size int) {
		size = max(1, size%16)
		whole := answerOf(text, len(text)+1)
		require.Equal(t, whole, answerOf(text, size))
		if !strings.ContainsAny(text, "<[") {
			require.Equal(t, text, whole)
		}
	})
}

func answerOf(text string, size int) string {
	var th thinking
	answer := ""
	for text != "" {
		n := min(size, len(text))
		said, withdrawn := th.take(text[:n])
		if withdrawn {
			answer = ""
		}
		answer += said
		text = text[n:]
	}
	return answer + th.rest()
}

// FuzzRefusal: of any response in place of an answer, only an identifier is kept.
func FuzzRefusal(f *testing.F) {
	f.Add([]byte(`{"error":{"code":"x","type":"y","message":"z"}}`), 400)
	f.Add([]byte(`[{"error":{"code":503,"status":"UNAVAILABLE"}}]`), 200)
	fuzz.Run(f, func(t fuzz.T, body []byte, status int) {
		fail := vendorapi.DeclaredFailure(body, NewSecret(canary))
		fail.Status = status
		require.NotContains(t, fail.Error(), canary)
		require.NotEmpty(t, messageOf(fail))
		require.LessOrEqual(t, len(fail.Kind), vendorapi.MaxIdentifier)
	})
}
