package api

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/cluster"
	"chatbox/helpdesk"
	"chatbox/hub"
)

func testViewer() viewer { return viewer{prefix: "/chatbox"} }

const goldenDir = "../../test/golden"

func at() time.Time {
	return time.Date(2026, 3, 4, 6, 6, 7, 80_900_000, time.FixedZone("", 3600))
}

func someSession() chatbox.SessionKey { return chatbox.SessionKey{Tenant: "acme", ID: "s-1"} }

func event(change func(*chatbox.Event)) hub.Delivery {
	e := chatbox.Event{
		Session: someSession(), Seq: 3, Key: "c:ann:m-1", ID: "m-1", Named: true, Type: chatbox.TypeUserMessage,
		Sender: chatbox.SenderUser, UserID: "ann", Owner: "ann", Content: "  if a < b && b > c {\n\treturn \"é\"\n  }  ",
		Metadata: map[string]string{"page": "/pricing"}, Time: at(), Status: chatbox.StatusComplete,
	}
	change(&e)
	return hub.Delivery{Session: e.Session, Event: &e}
}

func answer(finish chatbox.Finish, text string, index int, replay bool) hub.Delivery {
	d := event(func(e *chatbox.Event) {
		e.ID, e.Type, e.Sender, e.UserID, e.Seq = "ans_k3n2", chatbox.TypeAnswer, chatbox.SenderAI, "", 4
		e.Content, e.ModelID, e.Metadata, e.Status = text, "small", nil, finish.Status()
		e.Answer = &chatbox.Answer{
			Gen: chatbox.Gen{Seq: 3, Run: 1}, ReplyTo: "m-1", Attempt: 1, Index: index, Finish: finish,
			TokensPrompt: 21, TokensCompletion: 5,
		}
	})
	d.Replay = replay
	return d
}

// estimated is the answer with tokens that its provider did not tell, the
// prompt's not known at all.
func estimated(d hub.Delivery) hub.Delivery {
	d.Event.Answer.SetUsage(chatbox.Usage{Completion: 3, Estimated: true})
	return d
}

func piece(change func(*cluster.Piece)) hub.Delivery {
	p := cluster.Piece{
		AnswerID: "ans_k3n2", Gen: chatbox.Gen{Seq: 3, Run: 1}, ReplyTo: "m-1", ModelID: "small",
		Attempt: 1, Index: 0, Content: "Grüße ",
	}
	change(&p)
	return hub.Delivery{Session: someSession(), Piece: &p}
}

func somePicture() chatbox.AttachedFile {
	return chatbox.AttachedFile{ID: "file_aaaaaaaaaaaaabbbbbbbbbbbbb", Name: "beach \"1\".jpg", ContentType: "image/jpeg", Size: 48213, Width: 1200, Height: 900}
}

func someDocument() chatbox.AttachedFile {
	return chatbox.AttachedFile{ID: "file_cccccccccccccddddddddddddd", Name: "invoice.pdf", ContentType: "application/pdf", Size: 9120}
}

func someRecording() chatbox.AttachedFile {
	return chatbox.AttachedFile{ID: "file_eeeeeeeeeeeeeeeeeeeeeeeeee", Name: "recording.webm", ContentType: "audio/webm", Size: 20480, Duration: 4200 * time.Millisecond}
}

// serverFrames are one example of each frame that a server sends.
func serverFrames() map[string][]byte {
	s := someSession()
	models := []chatbox.Model{{ID: "small", Name: "Small"}, {ID: "large", Name: "Large"}}
	ann := chatbox.Actor{Tenant: "acme", UserID: "ann"}
	deliveries := map[string]hub.Delivery{
		"user_message": event(func(*chatbox.Event) {}),
		"user_message-admin": event(func(e *chatbox.Event) {
			e.ID, e.Sender, e.UserID, e.Content = "m-7", chatbox.SenderAdmin, "bob", "May I help?"
			e.Metadata = map[string]string{chatbox.MetaAdminID: "bob", chatbox.MetaAdminName: "Bob"}
		}),
		"user_message-files": event(func(e *chatbox.Event) {
			e.Content, e.Files = "What is on these?", []chatbox.AttachedFile{somePicture(), someDocument()}
		}),
		"file_upload": event(func(e *chatbox.Event) {
			e.ID, e.Type, e.Content, e.Metadata = "m-4", chatbox.TypeFileUpload, "The invoice", nil
			e.FileID, e.Files = someDocument().ID, []chatbox.AttachedFile{someDocument()}
		}),
		"file_upload-link": event(func(e *chatbox.Event) {
			e.ID, e.Type, e.Content, e.Metadata = "m-5", chatbox.TypeFileUpload, "", nil
			e.FileURL = "https://files.example.com/report.pdf"
		}),
		"file_upload-admin": event(func(e *chatbox.Event) {
			e.ID, e.Type, e.Sender, e.UserID, e.Content = "m-8", chatbox.TypeFileUpload, chatbox.SenderAdmin, "bob", ""
			e.Metadata = map[string]string{chatbox.MetaAdminID: "bob", chatbox.MetaAdminName: "Bob"}
			e.FileID, e.Files = somePicture().ID, []chatbox.AttachedFile{somePicture()}
		}),
		"voice_message": event(func(e *chatbox.Event) {
			e.ID, e.Type, e.Content, e.Metadata = "m-6", chatbox.TypeVoiceMessage, "", nil
			e.FileID, e.Files = someRecording().ID, []chatbox.AttachedFile{someRecording()}
		}),
		"transcript": event(func(e *chatbox.Event) {
			e.ID, e.Type, e.Sender, e.UserID, e.Content = "t-1", chatbox.TypeTranscript, chatbox.SenderSystem, "", "Where is my order?"
			e.Metadata = map[string]string{chatbox.MetaOf: "m-6", chatbox.MetaOfSeq: "2", chatbox.MetaDurationMS: "4200", chatbox.MetaLanguage: "en"}
		}),
		"disclosure": event(func(e *chatbox.Event) {
			e.ID, e.Type, e.Sender, e.UserID, e.Content, e.Metadata = "d-1", chatbox.TypeDisclosure, chatbox.SenderSystem, "", "An AI model answers you.", nil
		}),
		"model_select": event(func(e *chatbox.Event) {
			e.ID, e.Type, e.Content, e.ModelID, e.Metadata = "m-2", chatbox.TypeModelSelect, "", "large", nil
		}),
		"admin_join": event(func(e *chatbox.Event) {
			e.ID, e.Type, e.Sender, e.UserID, e.Content = "srv-1", chatbox.TypeAdminJoin, chatbox.SenderSystem, "bob", "Bob has joined."
			e.Metadata = map[string]string{chatbox.MetaAdminID: "bob", chatbox.MetaAdminName: "Bob"}
		}),
		"admin_leave": event(func(e *chatbox.Event) {
			e.ID, e.Type, e.Sender, e.UserID, e.Content = "srv-3", chatbox.TypeAdminLeave, chatbox.SenderSystem, "", "Bob has left."
			e.Metadata = map[string]string{
				chatbox.MetaAdminID: "bob", chatbox.MetaAdminName: "Bob", chatbox.MetaAutomatic: "true",
			}
		}),
		"help_request": event(func(e *chatbox.Event) {
			e.ID, e.Type, e.Content, e.Metadata, e.Seq = "h-1", chatbox.TypeHelpRequest, "", nil, 5
		}),
		"session_ended": event(func(e *chatbox.Event) {
			e.ID, e.Type, e.Sender, e.Content, e.Metadata, e.Seq = "srv-2", chatbox.TypeSessionEnded, chatbox.SenderSystem, "", nil, 5
		}),
		"ack":               {Session: s, Ack: &hub.Ack{ID: "m-1", Seq: 3, Time: at()}},
		"ack-duplicate":     {Session: s, Ack: &hub.Ack{ID: "m-1", Seq: 3, Time: at(), Duplicate: true}},
		"loading":           {Session: s, Loading: &cluster.Loading{AnswerID: "ans_k3n2", ReplyTo: "m-1", ModelID: "small"}},
		"ai_response-piece": piece(func(*cluster.Piece) {}),
		"ai_response-snapshot": piece(func(p *cluster.Piece) {
			p.Attempt, p.Index, p.Content, p.Snapshot = 2, -1, "", true
		}),
		"ai_response-final":     answer(chatbox.FinishStop, "Grüße 👋", 1, false),
		"ai_response-cancelled": answer(chatbox.FinishCancelled, "", -1, false),
		"ai_response-estimated": estimated(answer(chatbox.FinishCancelled, "Grüße 👋", 1, false)),
		"ai_response-replayed":  answer(chatbox.FinishStop, "Grüße 👋", 1, true),
		"error-answer": {Session: s, Failure: &cluster.Failure{
			AnswerID: "ans_k3n2", ReplyTo: "m-1", Code: chatbox.ModelTimeout, Message: "the model did not answer in time",
		}},
		"typing_indicator": {Session: s, Typing: &cluster.Typing{UserID: "ann", Sender: chatbox.SenderUser, On: true}},
		"read":             {Session: s, Read: &cluster.Read{UserID: "ann", Sender: chatbox.SenderUser, Seq: 4}},
		"notification-note": {Session: s, Notification: &cluster.Notification{
			To: cluster.ToStaff, Event: cluster.NotificationNote, Metadata: map[string]string{"admin_id": "bob", "note_id": "n-1", "change": "added"},
		}},
		"notification-watched":   {Session: s, Notification: &cluster.Notification{To: cluster.ToOwner, Event: cluster.NotificationWatched}},
		"notification-unwatched": {Session: s, Notification: &cluster.Notification{To: cluster.ToOwner, Event: cluster.NotificationUnwatched}},
		"notification-rating_requested": {Session: s, Notification: &cluster.Notification{
			To: cluster.ToOwner, Event: cluster.NotificationRating, After: 7, Metadata: map[string]string{"admin_id": "bob", "admin_name": "Bob"},
		}},
		"notification-queue_position": {Session: s, Place: &helpdesk.QueuePosition{Position: 2, Waiting: 7}},
		"resumed":                     {Session: s, Resumed: &hub.Resumed{Seq: 4, Recovered: true}},
	}
	frames := map[string][]byte{
		"connection_status": statusFrame("", ann, models, noFiles{}, "c-9", "pod-1", at()),
		"connection_status-renewed": renewedFrame("a-1", chatbox.Actor{
			Tenant: "acme", UserID: "ann", ExpiresAt: at().Truncate(time.Second).Add(time.Hour),
		}, "c-9", "pod-1", at()),
		"connection_status-help": helpFrame("h-1", helpdesk.HelpInfo{
			SessionID: "s-1", Pending: true, Place: &helpdesk.QueuePosition{Position: 3, Waiting: 7}, Availability: helpdesk.Availability{Reason: helpdesk.ReasonOpen},
		}, ann, at()),
		"connection_status-help-away": helpFrame("h-1", helpdesk.HelpInfo{
			SessionID: "s-1", Pending: true, Place: &helpdesk.QueuePosition{Position: 1000, Beyond: true, Waiting: 1234},
			Availability: helpdesk.Availability{Reason: helpdesk.ReasonClosed, Message: "We are back in the morning.", OpensAt: at().Add(time.Hour)},
		}, ann, at()),
		"notification": Notification(helpdesk.Notice{
			Tenant: "acme", Event: helpdesk.NoticeHelp, SessionID: "s-1", UserID: "ann", Time: at(),
		}),
		"notification-notify_failed": Notification(helpdesk.Notice{
			Tenant: "acme", Event: helpdesk.NoticeAlertFailed, SessionID: "s-1", UserID: "ann", Channel: "email", Time: at(),
		}),
		"notification-assigned": Notification(helpdesk.Notice{
			Tenant: "acme", Event: helpdesk.NoticeAssigned, SessionID: "s-1", UserID: "ann", AdminID: "bob", To: "eve", Time: at(),
		}),
		"notification-transferred": Notification(helpdesk.Notice{
			Tenant: "acme", Event: helpdesk.NoticeTransferred, SessionID: "s-1", UserID: "ann", AdminID: "bob", To: "eve", Time: at(),
		}),
		"notification-rated": Notification(helpdesk.Notice{
			Tenant: "acme", Event: helpdesk.NoticeRated, SessionID: "s-1", UserID: "ann", Score: 4, Time: at(),
		}),
		"pong":        pongFrame("p-1", at()),
		"reconnect":   reconnectFrame(740*time.Millisecond, at()),
		"error-field": errorFrame("m-1", "s-1", chatbox.Invalid("model_id", "is not offered"), at()),
		"error-taken_over": errorFrame("j-1", "s-1", &chatbox.Error{
			Code: chatbox.TakenOver, Message: "another member of staff holds this session",
			Metadata: map[string]string{chatbox.MetaAdminID: "bob", chatbox.MetaAdminName: "Bob"},
		}, at()),
		"error-rate": errorFrame("m-1", "s-1", &chatbox.Error{
			Code: chatbox.RateLimited, Message: "too many messages", RetryAfter: 1500 * time.Millisecond,
		}, at()),
	}
	for name, d := range deliveries {
		frames[name] = testViewer().encode(d, at())
	}
	return frames
}

func TestEncode_GoldenFrames(t *testing.T) {
	frames := serverFrames()
	for name, got := range frames {
		t.Run(name, func(t *testing.T) {
			require.True(t, json.Valid(got))
			require.NotContains(t, string(got), "\n")
			var pretty bytes.Buffer
			require.NoError(t, json.Indent(&pretty, got, "", "  "))
			pretty.WriteByte('\n')
			path := filepath.Join(goldenDir, "server-"+name+".json")
			if os.Getenv("UPDATE_GOLDEN") != "" {
				require.NoError(t, os.WriteFile(path, pretty.Bytes(), 0o600))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err, "UPDATE_GOLDEN=1 go test ./app/api writes it")
			assert.Equal(t, string(want), pretty.String())
		})
	}
}

func TestGoldenFrames_HaveNoStrays(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(goldenDir, "*.json"))
	require.NoError(t, err)
	server, client := serverFrames(), clientFrames()
	for _, p := range paths {
		name := strings.TrimSuffix(filepath.Base(p), ".json")
		_, known := server[strings.TrimPrefix(name, "server-")]
		if stem, ok := strings.CutPrefix(name, "client-"); ok {
			_, known = client[stem]
		}
		assert.True(t, known, "%s is the example of no frame", name)
	}
}

func TestEncode_TextIsByteForByte(t *testing.T) {
	for _, text := range []string{"", " \t\n", "<b>&amp;</b>", "\u2028\u2029", "👩‍👩‍👧", "\"\\/", "\x01\x7f"} {
		var f struct {
			Content string `json:"content"`
		}
		require.NoError(t, json.Unmarshal(testViewer().encode(event(func(e *chatbox.Event) { e.Content = text }), at()), &f))
		assert.Equal(t, text, f.Content)
	}
}

func TestEncode_DoesNotTouchTheEvent(t *testing.T) {
	d := answer(chatbox.FinishStop, "x", 0, true)
	d.Event.Metadata = map[string]string{"kept": "1"}
	Encoder("/chatbox")(d)
	assert.Equal(t, map[string]string{"kept": "1"}, d.Event.Metadata)
}

func TestEncode_UnknownTypesAreRelayed(t *testing.T) {
	var f map[string]any
	require.NoError(t, json.Unmarshal(Encoder("/chatbox")(event(func(e *chatbox.Event) { e.Type = "of_a_later_version" })), &f))
	assert.Equal(t, "of_a_later_version", f["type"])
	assert.InDelta(t, 3, f["seq"], 0)
}

func TestEncode_EmptyEventContentIsNoField(t *testing.T) {
	assert.NotContains(t, string(Encoder("/chatbox")(event(func(e *chatbox.Event) { e.Content = "" }))), `"content"`)
}

func TestStamp_AlwaysThreeDigitsUTC(t *testing.T) {
	assert.Equal(t, "2026-03-04T05:06:07.080Z", stamp(at()))
	assert.Equal(t, "2026-03-04T05:06:07.000Z", stamp(at().Truncate(time.Second)))
}

func BenchmarkEncode(b *testing.B) {
	d := piece(func(p *cluster.Piece) { p.Content = "A piece of some forty characters, as it were." })
	b.ReportAllocs()
	for b.Loop() {
		Encoder("/chatbox")(d)
	}
}

func TestGoldenFrames_AreTheProtocolPagesExamples(t *testing.T) {
	page, err := os.ReadFile("../../docs/protocol/README.md")
	require.NoError(t, err)
	paths, err := filepath.Glob(filepath.Join(goldenDir, "*.json"))
	require.NoError(t, err)
	for _, p := range paths {
		assert.Contains(t, string(page), "("+filepath.ToSlash(p)+")")
	}
	assert.Equal(t, len(paths), strings.Count(string(page), "test/golden/"), "a link to an example that is not there")
}
