// Package chain is how both stores write the audit log: one chain of hashes
// per tenant, in which people are pseudonyms.
package chain

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"chatbox"
	"chatbox/persistence/internal/record"
)

// Entry is one link as it is stored. Hash covers everything but Seal, and the
// hash before it. Seal is the hash in a sealed box bound to the place, so that
// whoever can write to the database but has no key cannot make the chain anew.
type Entry struct {
	Tenant  string
	N       int64
	Millis  int64 // never less than the one's before
	Action  string
	Actor   string
	Session string
	User    string
	Hash    []byte
	Seal    []byte
}

// Draft is an entry before it has a place.
type Draft struct {
	Tenant  string
	At      time.Time
	Action  chatbox.AuditAction
	Actor   string // pseudonyms
	Session string
	User    string
}

// After makes the draft the next link after prev, which is the zero Entry for
// the first one.
func After(c record.Cipher, prev Entry, d Draft) (Entry, error) {
	e := Entry{
		Tenant: d.Tenant, N: prev.N + 1, Millis: max(prev.Millis, record.Millis(d.At)), Action: string(d.Action),
		Actor: d.Actor, Session: d.Session, User: d.User,
	}
	e.Hash = e.sum(prev.Hash)
	box, err := c.Seal(e.Hash, e.place()...)
	if err != nil {
		return Entry{}, fmt.Errorf("seal an audit entry: %w", err)
	}
	e.Seal = box
	return e, nil
}

func (e Entry) place() []string { return []string{"audit", e.Tenant, strconv.FormatInt(e.N, 10)} }

// sum hashes the entry's parts, each behind its length, so that no two entries
// have the same bytes.
func (e Entry) sum(before []byte) []byte {
	h := sha256.New()
	for _, part := range []string{
		"chatbox audit 1", string(before), e.Tenant, strconv.FormatInt(e.N, 10), strconv.FormatInt(e.Millis, 10),
		e.Action, e.Actor, e.Session, e.User,
	} {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		h.Write([]byte(part))
	}
	return h.Sum(nil)
}

// Check says what is wrong with e as the link after prev; "" is nothing.
func Check(c record.Cipher, prev, e Entry) string {
	switch {
	case e.N != prev.N+1:
		return "entry " + strconv.FormatInt(prev.N+1, 10) + " is missing"
	case !bytes.Equal(e.Hash, e.sum(prev.Hash)):
		return "the entry, or the one before it, was altered"
	}
	sealed, err := c.Open(e.Seal, e.place()...)
	if err != nil || !bytes.Equal(sealed, e.Hash) {
		return "the entry was not written with a key of this service"
	}
	return ""
}

// Verifier walks along a chain.
type Verifier struct {
	cipher  record.Cipher
	last    Entry
	verdict chatbox.AuditVerdict
}

// NewVerifier begins before the first entry.
func NewVerifier(c record.Cipher) *Verifier { return &Verifier{cipher: c} }

// Take checks the next entries, in order; false: the chain is broken there and
// there is no use in going on.
func (v *Verifier) Take(entries []Entry) bool {
	for _, e := range entries {
		if why := Check(v.cipher, v.last, e); why != "" {
			v.verdict.BrokenAt, v.verdict.Why = v.last.N+1, why
			return false
		}
		v.last = e
	}
	return true
}

// Reached reports whether everything up to n was taken; where it was not, n or
// one before it is missing, and the verdict says so.
func (v *Verifier) Reached(n int64) bool {
	if v.verdict.BrokenAt == 0 && v.last.N < n {
		v.verdict.BrokenAt, v.verdict.Why = v.last.N+1, "entry "+strconv.FormatInt(v.last.N+1, 10)+" is missing"
	}
	return v.last.N >= n
}

// Verdict is what was found so far.
func (v *Verifier) Verdict() chatbox.AuditVerdict {
	out := v.verdict
	out.Entries, out.HeadHash = v.last.N, hex.EncodeToString(v.last.Hash)
	return out
}

// Show is the entry as readers get it; known are the people whose keys are
// kept, by pseudonym.
func Show(e Entry, known map[string]string) chatbox.AuditEntry {
	return chatbox.AuditEntry{
		N: e.N, Time: record.Time(e.Millis), Action: chatbox.AuditAction(e.Action), Actor: e.Actor, ActorID: known[e.Actor],
		SessionID: e.Session, User: e.User, UserID: known[e.User], Hash: hex.EncodeToString(e.Hash),
	}
}

// Person is who a pseudonym stands for. It is deleted when the person is
// erased; then nothing says any more whose the pseudonym was.
type Person struct {
	User      chatbox.UserKey
	Pseudonym string
	Key       []byte // sealed
}

const personKey = 32 // bytes

// NewPerson draws a key and makes the pseudonym.
func NewPerson(c record.Cipher, u chatbox.UserKey) (Person, error) {
	key := make([]byte, personKey)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	box, err := c.Seal(key, "person", u.Tenant, u.ID)
	if err != nil {
		return Person{}, fmt.Errorf("seal a person's key: %w", err)
	}
	return Person{User: u, Pseudonym: pseudonym(key, u), Key: box}, nil
}

func pseudonym(key []byte, u chatbox.UserKey) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(u.String())) // it escapes both parts
	return "p_" + strings.ToLower(base32.StdEncoding.EncodeToString(mac.Sum(nil)))[:26]
}

// Proves reports whether the person's key makes the pseudonym that is stored
// beside it.
func (p Person) Proves(c record.Cipher) bool {
	key, err := c.Open(p.Key, "person", p.User.Tenant, p.User.ID)
	return err == nil && pseudonym(key, p.User) == p.Pseudonym
}

// Pseudonyms are all that the entries name.
func Pseudonyms(entries []Entry) []string {
	seen := map[string]bool{}
	var out []string
	for _, e := range entries {
		for _, p := range []string{e.Actor, e.User} {
			if p != "" && !seen[p] {
				seen[p] = true
				out = append(out, p)
			}
		}
	}
	return out
}
