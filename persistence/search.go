package persistence

import (
	"context"
	"slices"
	"time"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/persistence/internal/find"
	"chatbox/persistence/internal/record"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// Search finds messages by the tokens of their words. The tokens are part of the
// messages' documents, so a message can be found from its insert until its
// erasure, as long as one of the keys opens it.
type Search struct{ s *Store }

// Check returns the errors that Find would return for a bad query, without
// contacting a server.
func (m *Search) Check(q helpdesk.SearchQuery) error { return find.Check(q, m.s.cfg.NoWords) }

// Find returns one page of hits, newest first. It decrypts each candidate to make
// sure that the message contains the words. It returns chatbox.InvalidArgument
// for a bad query.
func (m *Search) Find(ctx context.Context, q helpdesk.SearchQuery) (helpdesk.SearchPage, error) {
	return find.Run(ctx, source{m.s.Sessions(), m.s.keys}, q, m.s.cfg.NoWords)
}

// The first window of a search, and the factor by which each window grows.
const (
	firstFound  = time.Hour
	foundFaster = 16
)

// fewPassed is the largest number of messages that a search skips one by one
// instead of looking up their end.
const fewPassed = 2000

type source struct {
	*Sessions
	*Keyring
}

// Known returns the sessions that exist.
func (src source) Known(ctx context.Context, tenant string, ids []string) ([]chatbox.Session, error) {
	var docs []sessionDoc
	err := src.s.find(ctx, "load sessions", &docs, src.s.sessions, placesOf(tenant, ids), options.Find())
	var out []chatbox.Session
	for _, d := range docs {
		out = append(out, src.s.decodeSession(d))
	}
	return out, err
}

// Candidates returns the messages that have the tokens, newest first.
//
// It searches growing windows of time, going back from the newest, until there
// are enough messages. A server that sorts all matches, as the DocumentDB stack
// does, then sorts few, however frequent the word is. A server that reads in
// index order stops within the first window that has enough.
func (src source) Candidates(ctx context.Context, c find.Candidates) ([]chatbox.Event, error) {
	newest := time.Now()
	switch {
	case c.After != nil:
		newest = record.Time(c.After.Time)
	case !c.To.IsZero():
		newest = c.To
	}
	var docs []messageDoc
	words := anyOf("words", c.Tokens)
	if c.Few { // use the sessions' index, even if a planner would choose the words' index
		words = bson.D{{Key: "$expr", Value: haveAll(c.Tokens)}}
	}
	for width := firstFound; ; width *= foundFaster {
		oldest := newest.Add(-width)
		last := width > lastWindow/foundFaster || c.Sessions != nil || oldest.Before(c.From)
		if last {
			oldest = c.From
		}
		var err error
		if docs, err = src.newest(ctx, c, words, oldest); err != nil {
			return nil, err
		}
		if last || len(docs) == c.Limit {
			break
		}
		if width == firstFound*foundFaster {
			if words, err = src.rarest(ctx, c, words, oldest); err != nil {
				return nil, err
			}
		}
	}
	events := make([]chatbox.Event, len(docs))
	for i, d := range docs {
		events[i] = src.s.decodeEvent(d)
	}
	return events, nil
}

// newest returns the newest matching messages that are not older than the given
// time.
func (src source) newest(ctx context.Context, c find.Candidates, words bson.D, oldest time.Time) (docs []messageDoc, err error) {
	err = src.s.find(ctx, "search messages", &docs, src.s.messages, foundFilter(c, words, oldest), options.Find().
		SetSort(bson.D{{Key: "time", Value: -1}, {Key: "session", Value: -1}, {Key: "seq", Value: -1}}).
		SetLimit(int64(c.Limit)).SetProjection(withoutWords()))
	return docs, err
}

// foundFilter returns the filter of the search for messages that are not older
// than the given time.
func foundFilter(c find.Candidates, words bson.D, oldest time.Time) bson.D {
	at := func(t time.Time) primitive.DateTime { return primitive.DateTime(record.Millis(t)) }
	filter := append(bson.D{{Key: "tenant", Value: c.Tenant}}, words...)
	if c.Owner != "" {
		filter = append(filter, bson.E{Key: "owner", Value: c.Owner})
	}
	if c.Sessions != nil {
		filter = append(filter, bson.E{Key: "session", Value: bson.D{{Key: "$in", Value: c.Sessions}}})
	}
	var all bson.A
	if !oldest.IsZero() {
		all = append(all, bson.D{{Key: "time", Value: bson.D{{Key: "$gte", Value: at(oldest)}}}})
	}
	if !c.To.IsZero() {
		all = append(all, bson.D{{Key: "time", Value: bson.D{{Key: "$lt", Value: at(c.To)}}}})
	}
	if c.After != nil {
		all = append(all, beyondPlace(*c.After))
		if c.After.Passed > fewPassed || !c.To.IsZero() {
			all = append(all, bson.D{{Key: "time", Value: bson.D{{Key: "$lte", Value: primitive.DateTime(c.After.Time)}}}})
		}
	}
	if len(all) > 0 {
		filter = append(filter, bson.E{Key: "$and", Value: all})
	}
	return filter
}

// rarest looks for a word that hardly any of the newest messages has. If there is
// one, only that word is matched by the index and the others are checked
// afterwards. Otherwise a server that looks up each word separately would read
// every message with a frequent word.
func (src source) rarest(ctx context.Context, c find.Candidates, words bson.D, oldest time.Time) (bson.D, error) {
	const hardly = 10
	if len(c.Tokens) != 1 || len(c.Tokens[0]) < 2 || c.Few {
		return words, nil
	}
	for _, token := range c.Tokens[0] {
		one := bson.D{{Key: "words", Value: token}}
		var n int64
		err := src.s.do(ctx, "search messages", func(ctx context.Context) (err error) {
			n, err = src.s.messages.CountDocuments(ctx, foundFilter(c, one, oldest), options.Count().SetLimit(hardly+1))
			return err
		})
		if err != nil {
			return nil, err
		}
		if n <= hardly {
			return append(one, bson.E{Key: "$expr", Value: haveAll(c.Tokens)}), nil
		}
	}
	return words, nil
}

// haveAll is anyOf as an expression, which no index serves.
func haveAll(lists [][]int64) bson.D {
	var ways bson.A
	for _, tokens := range lists {
		have := bson.D{{Key: "$ifNull", Value: bson.A{"$words", bson.A{}}}}
		ways = append(ways, bson.D{{Key: "$setIsSubset", Value: bson.A{tokens, have}}})
	}
	return bson.D{{Key: "$or", Value: ways}}
}

// beyondPlace matches everything after the place. It is an expression, so that no
// index serves it: on an index over an array, as this one is, the DocumentDB
// stack looks up the two ends of a period separately and so reads every message
// with the word. Skipping a few messages is cheaper.
func beyondPlace(p record.SearchCursor) bson.D {
	op := func(name string, args ...any) bson.D { return bson.D{{Key: name, Value: bson.A(args)}} }
	id := bson.D{{Key: "$literal", Value: p.Session}}
	at := primitive.DateTime(p.Time)
	return bson.D{{Key: "$expr", Value: op("$or",
		op("$lt", "$time", at),
		op("$and", op("$eq", "$time", at), op("$lt", "$session", id)),
		op("$and", op("$eq", "$time", at), op("$eq", "$session", id), op("$lt", "$seq", p.Seq)),
	)}}
}

// anyOf matches the documents whose field contains all tokens of one of the
// lists.
func anyOf(field string, lists [][]int64) bson.D {
	var ways bson.A
	for _, tokens := range lists {
		ways = append(ways, bson.D{{Key: field, Value: bson.D{{Key: "$all", Value: tokens}}}})
	}
	switch len(ways) {
	case 0:
		return nil
	case 1:
		way, _ := ways[0].(bson.D)
		return way
	default:
		return bson.D{{Key: "$or", Value: ways}}
	}
}

func (s *Store) nameTokens(k chatbox.SessionKey, name string) ([]int64, error) {
	if s.cfg.NoWords {
		return nil, nil
	}
	return record.NameTokens(s.keys, k, name)
}

func placesOf(tenant string, ids []string) bson.D {
	return bson.D{{Key: "tenant", Value: tenant}, {Key: "session", Value: bson.D{{Key: "$in", Value: slices.Compact(slices.Sorted(slices.Values(ids)))}}}}
}

// withoutWords excludes the tokens, which nobody reads.
func withoutWords() bson.D { return bson.D{{Key: "words", Value: 0}} }

// wordIndexes serve the search. They begin with the tenant although a token
// belongs to one tenant: otherwise a planner may combine them with another index
// that covers the whole tenant. There are none if no words are indexed.
func wordIndexes(none bool) []mongo.IndexModel {
	if none {
		return nil
	}
	return []mongo.IndexModel{{
		Keys:    bson.D{{Key: "tenant", Value: 1}, {Key: "words", Value: 1}, {Key: "time", Value: -1}},
		Options: options.Index().SetName(indexWords),
	}}
}

func nameIndexes(none bool) []mongo.IndexModel {
	if none {
		return nil
	}
	return []mongo.IndexModel{{
		Keys:    bson.D{{Key: "tenant", Value: 1}, {Key: "name_words", Value: 1}},
		Options: options.Index().SetName(indexNames),
	}}
}
