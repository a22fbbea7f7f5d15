// Package chain defines the audit log for both stores: one chain of hashes per
// tenant, in which people appear as pseudonyms.
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

// Entry is one link as stored. Hash covers all fields but Seal, and the previous
// hash. Seal is the hash in a sealed box bound to the place, so nobody who can
// write to the database but lacks the key can rebuild the chain.
type Entry struct {
	Tenant  string
	N       int64
	Millis  int64 // never less than the previous entry's
	Action  string
	Actor   string
	Session string
	User    string
	Hash    []byte
	Seal    []byte
}

// Draft is an entry without a place.
type Draft struct {
	Tenant  string
	At      time.Time
	Action  chatbox.AuditAction
	Actor   string // pseudonyms
	Session string
	User    string
}

// After makes the draft the link after prev. For the first link, prev is the zero
// Entry.
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

func (e Entry) place() []string { return SealPlace(e.Tenant, e.N) }

// SealPlace returns the associated data of the seal of the tenant's n-th entry.
func SealPlace(tenant string, n int64) []string {
	return []string{"audit", tenant, strconv.FormatInt(n, 10)}
}

// PersonPlace returns the associated data of the box of a person's key.
func PersonPlace(u chatbox.UserKey) []string { return []string{"person", u.Tenant, u.ID} }

// sum hashes the entry's parts, each preceded by its length, so that two
// different entries never give the same bytes.
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

// Check returns what is wrong with e as the link after prev, or "".
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

// Verifier checks a chain from its beginning.
type Verifier struct {
	cipher  record.Cipher
	last    Entry
	verdict chatbox.AuditVerdict
}

// NewVerifier returns a Verifier that starts before the first entry.
func NewVerifier(c record.Cipher) *Verifier { return &Verifier{cipher: c} }

// Take checks the next entries in order. It returns false if the chain is broken
// there; further calls are useless then.
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

// Reached reports whether all entries up to n were taken. If not, entry n or an
// earlier one is missing, and the verdict says so.
func (v *Verifier) Reached(n int64) bool {
	if v.verdict.BrokenAt == 0 && v.last.N < n {
		v.verdict.BrokenAt, v.verdict.Why = v.last.N+1, "entry "+strconv.FormatInt(v.last.N+1, 10)+" is missing"
	}
	return v.last.N >= n
}

// Verdict returns the result so far.
func (v *Verifier) Verdict() chatbox.AuditVerdict {
	out := v.verdict
	out.Entries, out.HeadHash = v.last.N, hex.EncodeToString(v.last.Hash)
	return out
}

// Show returns the entry as readers see it. known maps pseudonyms to the people
// whose keys still exist.
func Show(e Entry, known map[string]string) chatbox.AuditEntry {
	return chatbox.AuditEntry{
		N: e.N, Time: record.Time(e.Millis), Action: chatbox.AuditAction(e.Action), Actor: e.Actor, ActorID: known[e.Actor],
		SessionID: e.Session, User: e.User, UserID: known[e.User], Hash: hex.EncodeToString(e.Hash),
	}
}

// Person is the person behind a pseudonym. It is deleted when the person is
// erased, and the pseudonym is then anonymous.
type Person struct {
	User      chatbox.UserKey
	Pseudonym string
	Key       []byte // sealed
}

const personKey = 32 // bytes

// NewPerson generates a key and derives the pseudonym from it.
func NewPerson(c record.Cipher, u chatbox.UserKey) (Person, error) {
	key := make([]byte, personKey)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	box, err := c.Seal(key, PersonPlace(u)...)
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

// Proves reports whether the person's key gives the pseudonym stored with it.
func (p Person) Proves(c record.Cipher) bool {
	key, err := c.Open(p.Key, PersonPlace(p.User)...)
	return err == nil && pseudonym(key, p.User) == p.Pseudonym
}

// Pseudonyms returns all pseudonyms in the entries.
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
