package redisstate

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"chatbox"
	"chatbox/cluster"
)

// Kinds of boxes in the associated data, beside the session.
const (
	boxUpdate = "update"
	boxFold   = "fold"
)

// sealUpdate encodes an update for the hot log and the channel. The encoding
// is JSON: readers ignore unknown fields and keep unknown event types, so that
// pods of neighbouring versions can share a cluster.
func (c *Client) sealUpdate(u cluster.Update) (string, error) {
	return c.sealJSON(u.Session, boxUpdate, u)
}

func (c *Client) openUpdate(s chatbox.SessionKey, box string) (cluster.Update, error) {
	var u cluster.Update
	if err := c.openJSON(s, boxUpdate, box, &u); err != nil {
		return u, err
	}
	u.Session = s
	if u.Event != nil {
		u.Event.Session = s
	}
	return u, nil
}

func (c *Client) sealJSON(s chatbox.SessionKey, kind string, v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode %s: %w", kind, err)
	}
	box, err := c.seal.Seal(plain, s.Tenant, s.ID, kind)
	if err != nil {
		return "", fmt.Errorf("seal %s: %w", kind, err)
	}
	return string(box), nil
}

func (c *Client) openJSON(s chatbox.SessionKey, kind, box string, v any) error {
	plain, err := c.seal.Open([]byte(box), s.Tenant, s.ID, kind)
	if err != nil {
		return fmt.Errorf("open %s: %w", kind, err)
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return fmt.Errorf("decode %s: %w", kind, err)
	}
	return nil
}

// decodeMessage decodes a message of a session's channel: "head|box". The box
// is empty if only the head matters.
func (c *Client) decodeMessage(s chatbox.SessionKey, payload string) (cluster.Update, error) {
	h, box, ok := strings.Cut(payload, "|")
	head, err := strconv.ParseInt(h, 10, 64)
	if !ok || err != nil {
		return cluster.Update{}, fmt.Errorf("message without a head")
	}
	if box == "" {
		return cluster.Update{Session: s, Head: head, Notice: true}, nil
	}
	u, err := c.openUpdate(s, box)
	u.Head = head
	return u, err
}

// decodeEntry decodes one entry of the hot log: "key\nbox".
func (c *Client) decodeEntry(s chatbox.SessionKey, entry string) (chatbox.Event, error) {
	_, box, ok := strings.Cut(entry, "\n")
	if !ok {
		return chatbox.Event{}, fmt.Errorf("entry without a key")
	}
	u, err := c.openUpdate(s, box)
	if err != nil {
		return chatbox.Event{}, err
	}
	if u.Event == nil {
		return chatbox.Event{}, fmt.Errorf("entry without an event")
	}
	return *u.Event, nil
}

// decodeEntries decodes the hot log's tail. It returns nil unless the entries
// are contiguous up to the head; the history has them too.
func (c *Client) decodeEntries(s chatbox.SessionKey, head int64, entries []string) []chatbox.Event {
	out := make([]chatbox.Event, 0, len(entries))
	for i, raw := range entries {
		e, err := c.decodeEntry(s, raw)
		if err != nil || e.Seq != head-int64(len(entries)-1-i) {
			return nil
		}
		out = append(out, e)
	}
	return out
}

// openCard is the data stored beside the text of an open answer.
type openCard struct {
	AnswerID string `json:"id"`
	ReplyTo  string `json:"reply_to"`
	ModelID  string `json:"model"`
	// The tokens used so far.
	Prompt     int  `json:"prompt,omitempty"`
	Completion int  `json:"completion,omitempty"`
	Estimated  bool `json:"estimated,omitempty"`
}

func genString(g chatbox.Gen) string { return strconv.FormatInt(g.Seq, 10) + ":" + strconv.Itoa(g.Run) }

func parseGen(s string) (chatbox.Gen, error) {
	q, r, ok := strings.Cut(s, ":")
	seq, err1 := strconv.ParseInt(q, 10, 64)
	run, err2 := strconv.Atoi(r)
	if !ok || err1 != nil || err2 != nil {
		return chatbox.Gen{}, fmt.Errorf("no generation: %q", s)
	}
	return chatbox.Gen{Seq: seq, Run: run}, nil
}

// decodeOpen joins the accepted pieces, which are exactly the text that
// clients were shown.
func (c *Client) decodeOpen(s chatbox.SessionKey, gen, attempt, index, card string, boxes []string) (*cluster.OpenAnswer, error) {
	if gen == "" {
		return nil, nil //nolint:nilnil // no answer is open, and that is no error
	}
	g, err := parseGen(gen)
	if err != nil {
		return nil, err
	}
	a, err1 := strconv.Atoi(attempt)
	i, err2 := strconv.Atoi(index)
	if err1 != nil || err2 != nil {
		return nil, fmt.Errorf("open answer without a place")
	}
	if i >= 0 && len(boxes) == 0 {
		return nil, nil //nolint:nilnil // its text has aged out: clients were shown something, and nobody knows what
	}
	var meta openCard
	if err := json.Unmarshal([]byte(card), &meta); err != nil {
		return nil, fmt.Errorf("decode open answer: %w", err)
	}
	var text strings.Builder
	for _, box := range boxes {
		u, err := c.openUpdate(s, box)
		if err != nil {
			return nil, err
		}
		if u.Piece == nil {
			return nil, fmt.Errorf("log of pieces holds something else")
		}
		if u.Piece.Snapshot {
			text.Reset()
		}
		text.WriteString(u.Piece.Content)
	}
	return &cluster.OpenAnswer{
		AnswerID: meta.AnswerID, Gen: g, ReplyTo: meta.ReplyTo, ModelID: meta.ModelID,
		Attempt: a, Index: i, Text: text.String(),
		Spent: chatbox.Usage{Prompt: meta.Prompt, Completion: meta.Completion, Estimated: meta.Estimated},
	}, nil
}
