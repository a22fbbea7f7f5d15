package api

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/test/fuzz"
)

// clientFrames are one example of each frame that a client may send.
func clientFrames() map[string]command {
	seq := int64(4)
	return map[string]command{
		"user_message": {
			Type: "user_message", ID: "m-1", SessionID: "s-1", Content: "What does a pod hold?",
			Metadata: map[string]string{"page": "/pricing", "visits": "3", "returning": "true"},
		},
		"user_message-files": {
			Type: "user_message", ID: "m-3", SessionID: "s-1", Content: "What is on these?", FileIDs: []string{somePicture().ID, someDocument().ID},
		},
		"file_upload":      {Type: "file_upload", ID: "m-4", SessionID: "s-1", FileID: someDocument().ID, Content: "The invoice"},
		"file_upload-link": {Type: "file_upload", ID: "m-5", SessionID: "s-1", FileURL: "https://files.example.com/report.pdf"},
		"voice_message":    {Type: "voice_message", ID: "m-6", SessionID: "s-1", FileID: someRecording().ID},
		"model_select":     {Type: "model_select", ID: "m-2", SessionID: "s-1", ModelID: "large"},
		"help_request":     {Type: "help_request", ID: "h-1", SessionID: "s-1"},
		"resume":           {Type: "resume", SessionID: "s-1", Seq: &seq},
		"ping":             {Type: "ping", ID: "p-1"},
		"auth":             {Type: "auth", ID: "a-1", Token: "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoiYW5uIn0.c2lnbmF0dXJl"},
		"read":             {Type: "read", SessionID: "s-1", Seq: &seq},
		"cancel":           {Type: "cancel", SessionID: "s-1"},
		"admin_join":       {Type: "admin_join", ID: "j-1", SessionID: "s-1"},
		"admin_leave":      {Type: "admin_leave", ID: "l-1", SessionID: "s-1"},
		"watch":            {Type: "watch", SessionID: "s-1", Seq: &seq},
		"unwatch":          {Type: "unwatch", SessionID: "s-1"},
		"retry":            {Type: "retry", SessionID: "s-1"},
		"typing_indicator": {Type: "typing_indicator", SessionID: "s-1", Metadata: map[string]string{"state": "start"}},
	}
}

func TestDecode_GoldenFrames(t *testing.T) {
	for name, want := range clientFrames() {
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join(goldenDir, "client-"+name+".json"))
			require.NoError(t, err)
			got, err := decode(b)
			require.NoError(t, err)
			assert.Equal(t, want, got)
		})
	}
}

func TestDecode_FileIDs(t *testing.T) {
	ten := strings.Repeat(`"a",`, 9) + `"b"`
	for in, want := range map[string]any{
		`null`: []string(nil), `[]`: []string(nil), `["a"]`: []string{"a"}, `[ "a" , "b" ]`: []string{"a", "b"},
		`["é\u0000"]`: []string{"é\x00"}, `["` + strings.Repeat("x", 1<<10) + `"]`: []string{strings.Repeat("x", 1<<10)},
		`[` + ten + `]`: 10, `[` + ten + `,"c"]`: nil, `[` + strings.Repeat(`"a",`, 10_000) + `"b"]`: nil, `[` + ten + `,{"deep":[[[]]]}]`: nil,
		`"a"`: nil, `{}`: nil, `{"0":"a"}`: nil, `7`: nil, `true`: nil, `[7]`: nil, `[null]`: nil, `[["a"]]`: nil, `[{"id":"a"}]`: nil,
		`["a",null]`: nil, `["\ud83d"]`: nil, "[\"\xff\"]": nil,
	} {
		cmd, err := decode([]byte(`{"type":"user_message","id":"m","content":"x","file_ids":` + in + `,"session_id":"s"}`))
		assert.Equal(t, "m", cmd.ID, in)
		assert.Equal(t, "s", cmd.SessionID, "what follows is still read: %.40s", in)
		switch want := want.(type) {
		case nil:
			var refused *chatbox.Error
			require.ErrorAs(t, err, &refused, "%.40s", in)
			assert.Equal(t, chatbox.InvalidArgument, refused.Code)
			assert.Equal(t, "file_ids", refused.Field)
		case int:
			require.NoError(t, err)
			assert.Len(t, cmd.FileIDs, want)
		default:
			require.NoError(t, err, "%.40s", in)
			assert.Equal(t, want, cmd.durable().FileIDs, "%.40s", in)
		}
	}
	_, err := decode([]byte(`{"type":"user_message","file_ids":[],"file_ids":["a"]}`))
	require.ErrorIs(t, err, chatbox.InvalidArgument, "twice")
}

func TestDecode_Reads(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		want command
	}{
		"unknown fields are ignored": {
			`{"type":"ping","x":{"deep":[1,{"y":null}]},"sender":7,"timestamp":17,"models":"?","error":[]}`,
			command{Type: "ping"},
		},
		"names are in exactly their case": {
			`{"type":"ping","Type":"user_message","ID":"x","CONTENT":5}`, command{Type: "ping"},
		},
		"null is absent": {
			`{"type":"ping","id":null,"session_id":null,"seq":null,"metadata":null}`, command{Type: "ping"},
		},
		"any scalar in metadata": {
			`{"type":"ping","metadata":{"s":"x","n":1.50,"e":1e3,"b":false,"z":null}}`,
			command{Type: "ping", Metadata: map[string]string{"s": "x", "n": "1.50", "e": "1e3", "b": "false", "z": ""}},
		},
		"content byte for byte": {
			`{"type":"t","content":"  \t<b>&\ud83d\udc4b\\u d800\u0000  "}`,
			command{Type: "t", Content: "  \t<b>&👋\\u d800\x00  "},
		},
		"white space around": {" \n{ \"type\" : \"ping\" }\n ", command{Type: "ping"}},
		"an escaped name":    {`{"\u0074ype":"ping"}`, command{Type: "ping"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := decode([]byte(tc.in))
			require.NoError(t, err)
			assert.Equal(t, tc.want, got)
		})
	}
}

func TestDecode_Refuses(t *testing.T) {
	deep := strings.Repeat("[", 100_000)
	var keys []string
	for i := range 40 {
		keys = append(keys, `"`+strings.Repeat("k", i+1)+`":1`)
	}
	for name, tc := range map[string]struct {
		in, field string
		code      chatbox.Code
	}{
		"nothing":                 {"", "frame", chatbox.InvalidArgument},
		"no object":               {`["type"]`, "frame", chatbox.InvalidArgument},
		"a string":                {`"type"`, "frame", chatbox.InvalidArgument},
		"half an object":          {`{"type":"ping"`, "frame", chatbox.InvalidArgument},
		"trailing comma":          {`{"type":"ping",}`, "frame", chatbox.InvalidArgument},
		"two objects":             {`{"type":"ping"}{"type":"ping"}`, "frame", chatbox.InvalidArgument},
		"rubbish behind":          {`{"type":"ping"}x`, "frame", chatbox.InvalidArgument},
		"deep rubbish":            {`{"type":"ping","x":` + deep, "frame", chatbox.InvalidArgument},
		"no type":                 {`{"content":"x"}`, "type", chatbox.MissingField},
		"empty type":              {`{"type":""}`, "type", chatbox.MissingField},
		"a number for type":       {`{"type":1}`, "type", chatbox.InvalidArgument},
		"a number for content":    {`{"type":"t","content":1}`, "content", chatbox.InvalidArgument},
		"an object for id":        {`{"type":"t","id":{}}`, "id", chatbox.InvalidArgument},
		"a bool for session_id":   {`{"type":"t","session_id":true}`, "session_id", chatbox.InvalidArgument},
		"a string for seq":        {`{"type":"t","seq":"1"}`, "seq", chatbox.InvalidArgument},
		"a fraction for seq":      {`{"type":"t","seq":1.5}`, "seq", chatbox.InvalidArgument},
		"a negative seq":          {`{"type":"t","seq":-1}`, "seq", chatbox.InvalidArgument},
		"a seq beyond all":        {`{"type":"t","seq":99999999999999999999}`, "seq", chatbox.InvalidArgument},
		"a list for metadata":     {`{"type":"t","metadata":[]}`, "metadata", chatbox.InvalidArgument},
		"an object in metadata":   {`{"type":"t","metadata":{"a":{}}}`, "metadata", chatbox.InvalidArgument},
		"too many keys":           {`{"type":"t","metadata":{` + strings.Join(keys, ",") + `}}`, "metadata", chatbox.InvalidArgument},
		"a metadata key twice":    {`{"type":"t","metadata":{"a":1,"\u0061":2}}`, "metadata", chatbox.InvalidArgument},
		"content twice":           {`{"type":"t","content":"a","content":"b"}`, "content", chatbox.InvalidArgument},
		"raw bytes no UTF-8":      {"{\"type\":\"t\",\"content\":\"\xff\"}", "content", chatbox.InvalidArgument},
		"a surrogate in UTF-8":    {"{\"type\":\"t\",\"content\":\"\xed\xa0\x80\"}", "content", chatbox.InvalidArgument},
		"an escaped high half":    {`{"type":"t","content":"\ud800"}`, "content", chatbox.InvalidArgument},
		"an escaped low half":     {`{"type":"t","content":"\udc00 "}`, "content", chatbox.InvalidArgument},
		"two high halves":         {`{"type":"t","content":"\ud800\ud800"}`, "content", chatbox.InvalidArgument},
		"halves apart":            {`{"type":"t","content":"\ud83d \udc4b"}`, "content", chatbox.InvalidArgument},
		"half a key of metadata":  {`{"type":"t","metadata":{"\ud800":1}}`, "metadata", chatbox.InvalidArgument},
		"the first fault counts":  {`{"type":"t","content":1,"id":2}`, "content", chatbox.InvalidArgument},
		"a fault before the type": {`{"content":1,"type":"t"}`, "content", chatbox.InvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decode([]byte(tc.in))
			var e *chatbox.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, tc.field, cmpField(e))
			assert.Equal(t, tc.code, e.Code)
		})
	}
}

func cmpField(e *chatbox.Error) string {
	if e.Field != "" {
		return e.Field
	}
	return strings.TrimSuffix(e.Message, " is required")
}

func TestDecode_EchoesWhatIsWellFormed(t *testing.T) {
	c, err := decode([]byte("{\"content\":\"\xff\",\"session_id\":\"s-1\",\"id\":\"m-1\",\"type\":\"user_message\"}"))
	require.Error(t, err)
	id, session := c.echo()
	assert.Equal(t, "m-1", id)
	assert.Equal(t, "s-1", session)

	c, err = decode([]byte(`{"type":"user_message","id":"ans_x","session_id":"<script>"}`))
	require.NoError(t, err, "the domain judges names")
	id, session = c.echo()
	assert.Empty(t, id)
	assert.Empty(t, session)
}

func FuzzDecode(f *testing.F) {
	for name := range clientFrames() {
		b, err := os.ReadFile(filepath.Join(goldenDir, "client-"+name+".json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"type":"t","content":"\ud83d\udc4b","metadata":{"a":1e9}}`))
	fuzz.Run(f, func(t fuzz.T, b []byte) {
		c, err := decode(b)
		if err != nil {
			if _, ok := errors.AsType[*chatbox.Error](err); !ok {
				t.Fatalf("an error without a code: %v", err)
			}
			if json := errorFrame(c.ID, c.SessionID, err, at()); len(json) == 0 {
				t.Fatal("an error that cannot be shown")
			}
			return
		}
		// A decoded command can be stored as an event.
		d := event(func(e *chatbox.Event) {
			e.ID, e.Type, e.Content, e.ModelID, e.Metadata = c.ID, chatbox.Type(c.Type), c.Content, c.ModelID, c.Metadata
			e.FileID, e.FileURL = c.FileID, c.FileURL
		})
		again, err := decode(testViewer().encode(d, at()))
		if err != nil {
			t.Fatalf("what was accepted is refused when repeated: %v", err)
		}
		if again.Content != c.Content || again.ID != c.ID || again.Type != c.Type || len(again.Metadata) != len(c.Metadata) {
			t.Fatalf("%+v became %+v", c, again)
		}
	})
}
