package chatbox

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCleanFileName(t *testing.T) {
	for in, want := range map[string]string{
		"report.pdf":                      "report.pdf",
		"../../etc/passwd":                "passwd",
		`..\..\windows\system32\cmd.exe`:  "cmd.exe",
		"/":                               "file",
		"..":                              "file",
		"":                                "file",
		"   ":                             "file",
		"a/..":                            "file",
		"a\x00b\r\nX-Evil: 1.txt":         "abX-Evil- 1.txt",
		"gepäck 📎.png":                    "gepäck 📎.png",
		"\u202egnp.exe":                   "gnp.exe",
		"a\xffb.txt":                      "ab.txt",
		"C:file.txt":                      "C-file.txt",
		"trailing. . .":                   "trailing",
		"line\u2028two.txt":               "linetwo.txt",
		".bashrc":                         ".bashrc",
		strings.Repeat("é", 200) + ".pdf": strings.Repeat("é", 125) + ".pdf",
	} {
		got := CleanFileName(in)
		assert.Equal(t, want, got, "%q", in)
		assert.LessOrEqual(t, len(got), 255)
		assert.True(t, utf8.ValidString(got))
		assert.Equal(t, got, CleanFileName(got), "a clean name stays")
	}
}

func TestFileID(t *testing.T) {
	u := UserKey{Tenant: "t", ID: "ann"}
	id := RepeatableFileID(u, "key")
	assert.True(t, ValidFileID(id))
	assert.Equal(t, id, RepeatableFileID(u, "key"))
	assert.NotEqual(t, id, RepeatableFileID(u, "other"))
	assert.NotEqual(t, id, RepeatableFileID(UserKey{ID: "ann"}, "key"))
	assert.True(t, ValidFileID(FileID("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")))
	for _, bad := range []string{"", "file_", "file_" + strings.Repeat("a", 25), "file_" + strings.Repeat("a", 27), "file_" + strings.Repeat("A", 26), "ans__" + strings.Repeat("a", 26), "file_../../../../../etc/passw"} {
		assert.False(t, ValidFileID(bad), bad)
	}
}

func TestSpeechFileID(t *testing.T) {
	k := SessionKey{Tenant: "t", ID: "s"}
	id := SpeechFileID(k, "ans_1")
	assert.True(t, ValidFileID(id))
	assert.Equal(t, id, SpeechFileID(k, "ans_1"), "on every pod")
	assert.NotEqual(t, id, SpeechFileID(k, "ans_2"))
	assert.NotEqual(t, id, SpeechFileID(SessionKey{Tenant: "t", ID: "s2"}, "ans_1"))
}

func TestFindAnswer(t *testing.T) {
	k := SessionKey{Tenant: "t", ID: "s"}
	for _, want := range []struct {
		seq int64
		run int
	}{{1, 1}, {7, 1}, {5, 3}} {
		key, err := FindAnswer(t.Context(), k, AnswerID(k, want.seq, want.run), 7)
		require.NoError(t, err)
		assert.Equal(t, AnswerKey(want.seq, want.run), key)
	}
	first := AnswerID(k, 1, 1)
	for _, id := range []string{
		"", "m1", "ans_", AnswerID(k, 8, 1), AnswerID(SessionKey{ID: "s"}, 1, 1),
		first + "a", first[:len(first)-1], strings.ToUpper(first), "ans_" + strings.ToUpper(first[4:]), first[:len(first)-1] + "=", first[:len(first)-1] + "1",
	} {
		_, err := FindAnswer(t.Context(), k, id, 7)
		assert.ErrorIs(t, err, NotFound, id)
	}
}

// A session may have very many messages, and anybody may ask for an id.
func TestFindAnswer_EndsWithItsContext(t *testing.T) {
	k := SessionKey{Tenant: "t", ID: "s"}
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	cancel(gone)
	_, err := FindAnswer(ctx, k, AnswerID(k, 1, 1), math.MaxInt64)
	require.ErrorIs(t, err, gone)
	_, err = FindAnswer(ctx, k, "ans_of no form", math.MaxInt64)
	require.ErrorIs(t, err, NotFound)
}

func BenchmarkFindAnswer_Head100000(b *testing.B) {
	k := SessionKey{Tenant: "t", ID: "s"}
	id := AnswerID(k, 1, answerRuns+1)
	for b.Loop() {
		_, err := FindAnswer(b.Context(), k, id, 100_000)
		require.ErrorIs(b, err, NotFound)
	}
}
