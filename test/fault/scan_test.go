//go:build fault

package fault

import (
	"bufio"
	"maps"
	"os"
	"path/filepath"
	"strings"
)

// scan reads what the pods have logged: nothing of a crash, of a race, of a
// credential or of what people wrote may be there. A finding names the place
// and the kind, not the text.
func (c *cluster) scan() {
	c.words.mu.Lock()
	forbidden := maps.Clone(c.words.all)
	c.words.mu.Unlock()
	if forbidden == nil {
		forbidden = map[string]string{}
	}
	forbidden["panic:"] = "a panic"
	forbidden["panicked"] = "a panic"
	forbidden["fatal error:"] = "a crash"
	forbidden["DATA RACE"] = "a data race"
	forbidden["eyJhbGci"] = "the beginning of a token"
	for _, p := range c.pods {
		c.scanFile(p.log, forbidden)
	}
}

func (c *cluster) scanFile(path string, forbidden map[string]string) {
	f, err := os.Open(path)
	if err != nil {
		c.t.Error(err)
		return
	}
	defer f.Close()
	found := map[string]bool{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for n := 1; lines.Scan(); n++ {
		for word, kind := range forbidden {
			if !found[kind] && strings.Contains(lines.Text(), word) {
				found[kind] = true
				c.t.Errorf("%s:%d: %s", filepath.Base(path), n, kind)
			}
		}
	}
	if err := lines.Err(); err != nil {
		c.t.Error(err)
	}
}
