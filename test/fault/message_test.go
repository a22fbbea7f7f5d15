//go:build fault

package fault

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/x/mongo/driver/wiremessage"
)

// headLen is the header of every message of MongoDB's protocol; bigMessage is
// more than a server takes.
const (
	headLen    = 16
	bigMessage = 48 << 20
)

// opQuery is how a driver's first word still comes.
const opQuery wiremessage.OpCode = 2004

// message is one of MongoDB's protocol as it stood on the wire.
type message struct {
	raw    []byte
	id     int32
	opcode wiremessage.OpCode

	name string                // of the command, empty for a reply
	body bson.Raw              // the command or the reply; nil where it is neither
	docs map[string][]bson.Raw // sequences beside the body, by name
}

// readMessage reads one message and what it says.
func readMessage(r io.Reader) (message, error) {
	head := make([]byte, headLen)
	if _, err := io.ReadFull(r, head); err != nil {
		return message{}, err
	}
	length, id, _, opcode, _, _ := wiremessage.ReadHeader(head)
	if length < headLen || length > bigMessage {
		return message{}, fmt.Errorf("a message of %d bytes", length)
	}
	m := message{raw: make([]byte, length), id: id, opcode: opcode}
	copy(m.raw, head)
	if _, err := io.ReadFull(r, m.raw[headLen:]); err != nil {
		return message{}, err
	}
	switch rest := m.raw[headLen:]; opcode {
	case wiremessage.OpMsg:
		m.sections(rest)
	case opQuery: // flags, a name, two numbers, the command
		if end := bytes.IndexByte(rest[4:], 0); end >= 0 && len(rest) > 4+end+1+8 {
			m.body = bson.Raw(rest[4+end+1+8:])
		}
	case wiremessage.OpReply:
		doc, _, _ := wiremessage.ReadReplyDocument(rest[20:])
		m.body = bson.Raw(doc)
	default: // carried as it is
	}
	if first, err := m.body.IndexErr(0); err == nil {
		m.name = first.Key()
	}
	return m, nil
}

func (m *message) sections(rest []byte) {
	m.docs = map[string][]bson.Raw{}
	_, rest, ok := wiremessage.ReadMsgFlags(rest)
	for ok && len(rest) > 0 {
		var kind wiremessage.SectionType
		if kind, rest, ok = wiremessage.ReadMsgSectionType(rest); !ok {
			return
		}
		switch kind {
		case wiremessage.SingleDocument:
			var doc []byte
			doc, rest, ok = wiremessage.ReadMsgSectionSingleDocument(rest)
			m.body = doc
		case wiremessage.DocumentSequence:
			name, data, after, read := wiremessage.ReadMsgSectionRawDocumentSequence(rest)
			rest, ok = after, read
			for len(data) >= 4 {
				n := int(binary.LittleEndian.Uint32(data))
				if n < 5 || n > len(data) {
					return
				}
				m.docs[name], data = append(m.docs[name], bson.Raw(data[:n])), data[n:]
			}
		default:
			return
		}
	}
}

// greets reports whether the command asks who the server is.
func (m *message) greets() bool {
	return strings.EqualFold(m.name, "hello") || strings.EqualFold(m.name, "ismaster")
}

// text is a string field of the command.
func (m *message) text(key string) string {
	s, _ := m.body.Lookup(key).StringValueOK()
	return s
}

// with is the message with another body.
func (m *message) with(body bson.D) (message, error) {
	raw, err := bson.Marshal(body)
	if err != nil {
		return message{}, err
	}
	n := message{id: m.id, opcode: m.opcode, name: m.name, body: raw, docs: m.docs}
	switch m.opcode {
	case wiremessage.OpReply:
		n.raw = append(append([]byte{}, m.raw[:headLen+20]...), raw...)
	case wiremessage.OpMsg:
		n.raw = wiremessage.AppendMsgFlags(append([]byte{}, m.raw[:headLen]...), 0)
		n.raw = append(wiremessage.AppendMsgSectionType(n.raw, wiremessage.SingleDocument), raw...)
		for name, docs := range m.docs {
			size := 4 + len(name) + 1
			for _, d := range docs {
				size += len(d)
			}
			n.raw = wiremessage.AppendMsgSectionType(n.raw, wiremessage.DocumentSequence)
			n.raw = binary.LittleEndian.AppendUint32(n.raw, uint32(size))
			n.raw = append(append(n.raw, name...), 0)
			for _, d := range docs {
				n.raw = append(n.raw, d...)
			}
		}
	default:
		return message{}, fmt.Errorf("no other body for %v", m.opcode)
	}
	binary.LittleEndian.PutUint32(n.raw, uint32(len(n.raw)))
	return n, nil
}

// reply is an answer to the command that the server did not give.
func (m *message) reply(body bson.D) (message, error) {
	raw, err := bson.Marshal(body)
	if err != nil {
		return message{}, err
	}
	_, out := wiremessage.AppendHeaderStart(nil, wiremessage.NextRequestID(), m.id, wiremessage.OpMsg)
	out = wiremessage.AppendMsgFlags(out, 0)
	out = append(wiremessage.AppendMsgSectionType(out, wiremessage.SingleDocument), raw...)
	binary.LittleEndian.PutUint32(out, uint32(len(out)))
	return message{raw: out, opcode: wiremessage.OpMsg, body: raw}, nil
}
