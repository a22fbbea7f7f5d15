package chatbox

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
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
