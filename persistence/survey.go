package persistence

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"chatbox"
	"chatbox/internal/outage"
	"chatbox/persistence/internal/keybook"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// Limits beyond which a server or its clock is reported.
const (
	oldestServer = 6 // the oldest major version of MongoDB that is tested
	clockMost    = 5 * time.Second
)

// Survey inspects the server and the stored data before any other read or write,
// and adds this pod's key to the check values. Findings are warnings for the
// operator; the pod works nevertheless. An error is why the pod does not work:
// *chatbox.UnfitError if a retry cannot help.
//
// After nil the store may be read. It may be written after EnsureIndexes has
// succeeded as well.
func (s *Store) Survey(ctx context.Context) (findings []string, err error) {
	about, err := s.server(ctx)
	if err != nil {
		return nil, err
	}
	findings = about.findings()
	if other := s.cfg.otherDatabase(); other != "" {
		findings = append(findings, unusedDatabase(other, s.cfg.Database))
	}
	foreign, err := s.foreign(ctx)
	if err != nil {
		return findings, err
	}
	if foreign != "" {
		b, err := keySource{s}.ReadBook(ctx)
		if err != nil {
			return findings, err
		}
		if b.Revision == 0 { // no check values yet, so nothing proves that the data is ours
			return findings, &chatbox.UnfitError{Reason: foreign}
		}
		findings = append(findings, foreign)
	}
	if err := keybook.Check(ctx, s.keys, keySource{s}); err != nil {
		return findings, err
	}
	s.trusted.Store(true)
	return findings, nil
}

func unusedDatabase(named, used string) string {
	return fmt.Sprintf("MONGO_URI names the database %q, which is not used: MONGO_DATABASE says %q", named, used)
}

// Trusted reports whether a survey has found that this pod can work with the
// stored data.
func (s *Store) Trusted() bool { return s.trusted.Load() }

// serverInfo is a server's description of its version and role.
type serverInfo struct {
	Version  string
	Set      string `bson:"setName"` // the replica set; empty: none
	FerretDB any    `bson:"-"`       // not nil: the server is a FerretDB, which has no replica sets
	Primary  bool   `bson:"isWritablePrimary"`
	Legacy   bool   `bson:"ismaster"`
	Msg      string
	Time     time.Time     `bson:"localTime"`
	ahead    time.Duration // ahead of this machine's clock
	timeSaid bool
}

// server asks the server to describe itself. It is an error if the server accepts
// no writes: the driver finds the primary unless the URI names one server only.
func (s *Store) server(ctx context.Context) (info serverInfo, err error) {
	admin := s.client.Database("admin")
	err = s.trip(ctx, "greet the server", func(ctx context.Context) error {
		sent := time.Now()
		if err := admin.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&info); err != nil {
			return err
		}
		middle := sent.Add(time.Since(sent) / 2)
		info.timeSaid, info.ahead = !info.Time.IsZero(), middle.Sub(info.Time)
		return nil
	})
	if err != nil {
		return info, err
	}
	if !info.Primary && !info.Legacy && info.Msg != sharded {
		return info, outage.As(outage.NoPrimary,
			errors.New("the server is not a primary and accepts no writes: name the members of the replica set in MONGO_URI, without directConnection"))
	}
	var build struct {
		Version  string
		FerretDB any `bson:"ferretdb"`
	}
	err = s.trip(ctx, "ask for the server's version", func(ctx context.Context) error {
		return admin.RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&build)
	})
	if err != nil { // some imitations of MongoDB do not report it
		build.Version = ""
	}
	info.Version, info.FerretDB = build.Version, build.FerretDB
	return info, nil
}

func (i serverInfo) findings() (out []string) {
	major, _, _ := strings.Cut(i.Version, ".")
	if n, err := strconv.Atoi(major); err == nil && n < oldestServer {
		out = append(out, fmt.Sprintf("the MongoDB server is of version %s; the oldest that this program is tried with is %d.0", i.Version, oldestServer))
	}
	if i.timeSaid && (i.ahead > clockMost || i.ahead < -clockMost) {
		way, by := "ahead of", i.ahead
		if by < 0 {
			way, by = "behind", -by
		}
		out = append(out, fmt.Sprintf("this machine's clock is %s %s the MongoDB server's; pods compare clocks, so keep them within seconds", by.Round(time.Second), way))
	}
	return out
}

// foreign returns whose documents a collection of ours contains, if there are
// documents that this program did not write. All of ours have a tenant, with
// which the indexes begin. Before there are indexes, the first document decides.
func (s *Store) foreign(ctx context.Context) (string, error) {
	for _, c := range []*mongo.Collection{
		s.sessions, s.messages, s.shares, s.audit, s.people, s.concurrency, s.cards, s.blocks, s.withdrawals, s.erasures,
	} {
		var raw bson.Raw
		err := s.trip(ctx, "look for other programs' data", func(ctx context.Context) error {
			return c.FindOne(ctx, bson.D{{Key: "tenant", Value: nil}},
				options.FindOne().SetProjection(bson.D{{Key: "messages", Value: bson.D{{Key: "$slice", Value: 0}}}})).Decode(&raw)
		})
		switch {
		case errors.Is(err, mongo.ErrNoDocuments):
			continue
		case err != nil:
			return "", err
		}
		whose := "of another program"
		if _, isArray := raw.Lookup("messages").ArrayOK(); isArray && c == s.sessions {
			whose = "of the earlier chatbox service (each has its messages inside)"
		}
		return fmt.Sprintf("the collection %q of the database %q has documents %s: set MONGO_DATABASE to another name. Nothing of them was touched",
			c.Name(), s.cfg.Database, whose), nil
	}
	return "", nil
}
