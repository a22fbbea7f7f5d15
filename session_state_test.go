package chatbox

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// fold applies events of the types in order.
func fold(types ...Type) State {
	var s State
	for i, typ := range types {
		s = s.Apply(Event{
			Seq: int64(i + 1), Type: typ, Sender: SenderUser, Time: time.UnixMilli(int64(i)), Metadata: map[string]string{MetaAdminID: "bob"},
		})
	}
	return s
}

func TestApply_HelpWaitsUntilSomebodyComes(t *testing.T) {
	for name, tc := range map[string]struct {
		types              []Type
		requested, pending bool
	}{
		"asked":                 {[]Type{TypeHelpRequest}, true, true},
		"asked twice":           {[]Type{TypeHelpRequest, TypeHelpRequest}, true, true},
		"somebody came":         {[]Type{TypeHelpRequest, TypeAdminJoin}, true, false},
		"asked while held":      {[]Type{TypeAdminJoin, TypeHelpRequest}, true, false},
		"held, and left since":  {[]Type{TypeAdminJoin, TypeHelpRequest, TypeAdminLeave}, true, false},
		"asked again after all": {[]Type{TypeHelpRequest, TypeAdminJoin, TypeAdminLeave, TypeHelpRequest}, true, true},
		"ended without":         {[]Type{TypeHelpRequest, TypeSessionEnded}, true, false},
		"never asked":           {[]Type{TypeUserMessage, TypeAdminJoin, TypeAdminLeave}, false, false},
	} {
		if s := fold(tc.types...); s.HelpRequested != tc.requested || s.HelpPending != tc.pending {
			t.Errorf("%s: requested %t, pending %t", name, s.HelpRequested, s.HelpPending)
		}
	}
}

func TestApply_WaitingSinceTheFirstRequestOfTheWait(t *testing.T) {
	at := func(i int) time.Time { return time.UnixMilli(int64(i)) }
	for name, tc := range map[string]struct {
		types []Type
		want  time.Time
	}{
		"asked":                  {[]Type{TypeUserMessage, TypeHelpRequest, TypeUserMessage}, at(1)},
		"asked twice":            {[]Type{TypeUserMessage, TypeHelpRequest, TypeHelpRequest}, at(1)},
		"somebody came":          {[]Type{TypeUserMessage, TypeHelpRequest, TypeAdminJoin}, time.Time{}},
		"asked while held":       {[]Type{TypeAdminJoin, TypeHelpRequest}, time.Time{}},
		"asked again afterwards": {[]Type{TypeHelpRequest, TypeAdminJoin, TypeAdminLeave, TypeHelpRequest}, at(3)},
		"ended":                  {[]Type{TypeUserMessage, TypeHelpRequest, TypeSessionEnded}, time.Time{}},
	} {
		s := fold(tc.types...)
		if !s.WaitingSince.Equal(tc.want) {
			t.Errorf("%s: since %v", name, s.WaitingSince)
		}
		if _, waits := s.Waiting(); waits == tc.want.IsZero() {
			t.Errorf("%s: waits %t", name, waits)
		}
	}
}

// The fold keeps the name and the id of the last holder until the session is
// erased.
func TestApply_WhoHeldItAtTheEnd(t *testing.T) {
	who := map[string]string{MetaAdminID: "bob", MetaAdminName: "Bob"}
	joined := State{}.Apply(Event{Seq: 1, Type: TypeAdminJoin, Metadata: who})
	ended := joined.Apply(Event{Seq: 2, Type: TypeSessionEnded})
	if ended.HolderID != "" || ended.AssistantID != "bob" || ended.HolderName != "Bob" {
		t.Errorf("held by %q at the end, named %q; held by %q", ended.AssistantID, ended.HolderName, ended.HolderID)
	}
	left := joined.Apply(Event{Seq: 2, Type: TypeAdminLeave, Metadata: who}).Apply(Event{Seq: 3, Type: TypeSessionEnded})
	if left.AssistantID != "" || left.HolderName != "" {
		t.Errorf("left before the end: %q %q", left.AssistantID, left.HolderName)
	}
	if erased := ended.Apply(Erasure(SessionKey{}, "ann", ended.Head+1, time.Time{})); erased.HolderName != "" {
		t.Errorf("erased: %q", erased.HolderName)
	}
}

// answered is an answer to the message at seq.
func answered(seq int64, status Status) Event {
	return Event{Type: TypeAnswer, Sender: SenderAI, Status: status, Answer: &Answer{Gen: Gen{Seq: seq, Run: 1}}}
}

func TestApply_Unread(t *testing.T) {
	asks := Event{Type: TypeUserMessage, Sender: SenderUser}
	file := Event{Type: TypeFileUpload, Sender: SenderUser}
	voice := Event{Type: TypeVoiceMessage, Sender: SenderUser}
	says := Event{Type: TypeUserMessage, Sender: SenderAdmin}
	sends := Event{Type: TypeFileUpload, Sender: SenderAdmin}
	other := func(of Type) Event { return Event{Type: of, Sender: SenderUser} }
	for name, tc := range map[string]struct {
		events []Event
		want   int64
	}{
		"a message":                      {[]Event{asks}, 1},
		"messages and files":             {[]Event{asks, file, voice, asks}, 4},
		"what says nothing":              {[]Event{other(TypeHelpRequest), other(TypeModelSelect), other("later")}, 0},
		"answered":                       {[]Event{asks, answered(1, StatusComplete)}, 0},
		"a file goes with its question":  {[]Event{file, asks, answered(2, StatusComplete)}, 0},
		"no whole answer":                {[]Event{asks, answered(1, StatusFailed)}, 1},
		"stopped":                        {[]Event{asks, answered(1, StatusCancelled)}, 1},
		"taken over":                     {[]Event{asks, answered(1, StatusTakenOver), other(TypeAdminJoin)}, 1},
		"a person's word":                {[]Event{asks, asks, says}, 0},
		"a person's file":                {[]Event{asks, asks, sends}, 0},
		"a person who came said nothing": {[]Event{asks, other(TypeAdminJoin), asks, other(TypeAdminLeave)}, 2},
		"after a word":                   {[]Event{asks, says, asks}, 1},
		"an answer each":                 {[]Event{asks, asks, asks, answered(1, StatusComplete)}, 2},
		"all answered":                   {[]Event{asks, asks, answered(1, StatusComplete), answered(2, StatusComplete)}, 0},
		"the newest is never lost":       {[]Event{asks, says, asks, asks, answered(3, StatusComplete), answered(3, StatusComplete)}, 1},
		"the end changes nothing":        {[]Event{asks, other(TypeSessionEnded)}, 1},
	} {
		var s State
		for i, e := range tc.events {
			e.Seq = int64(i + 1)
			s = s.Apply(e)
		}
		if s.Unread != tc.want {
			t.Errorf("%s: %d", name, s.Unread)
		}
	}
}

// An older version stores a fold without the new parts.
func TestApply_GoesOnFromAnOlderFold(t *testing.T) {
	s := State{Head: 4, HelpRequested: true, HelpPending: true, LastUserSeq: 4, LastActivity: time.UnixMilli(7)}
	if since, waits := s.Waiting(); !waits || !since.Equal(time.UnixMilli(7)) {
		t.Errorf("waits %t since %v", waits, since)
	}
	s = s.Apply(Event{Seq: 5, Type: TypeHelpRequest, Sender: SenderUser, Time: time.UnixMilli(9)})
	if !s.WaitingSince.IsZero() {
		t.Error("the wait did not begin with its second request")
	}
	s = s.Apply(Event{Seq: 6, Type: TypeAnswer, Sender: SenderAI, Status: StatusComplete, Answer: &Answer{Gen: Gen{Seq: 4, Run: 1}}})
	if s.Unread != 0 {
		t.Errorf("%d unread of none", s.Unread)
	}
}

func TestState_CountsWhatWasSaid(t *testing.T) {
	var st State
	for i, typ := range []Type{
		TypeModelSelect, TypeUserMessage, TypeAnswer, TypeHelpRequest, TypeAdminJoin, TypeUserMessage, TypeFileUpload,
		TypeVoiceMessage, TypeAdminLeave, "of_a_later_version", TypeSessionEnded,
	} {
		st = st.Apply(Event{Seq: int64(i + 1), Type: typ})
	}
	assert.EqualValues(t, 11, st.Head)
	assert.EqualValues(t, 5, st.Messages(), "two messages, an answer, a file and a recording")
	assert.EqualValues(t, 7, State{Head: 7}.Messages(), "folded by a version without this count")
}

func TestApply_RecordingsAskAndStaffsFilesReply(t *testing.T) {
	event := func(kind Type, by Sender) Event { return Event{Type: kind, Sender: by} }
	for name, tc := range map[string]struct {
		events           []Event
		asked, unreplied int64
	}{
		"a recording":               {[]Event{event(TypeVoiceMessage, SenderUser)}, 1, 1},
		"a file asks nothing":       {[]Event{event(TypeUserMessage, SenderUser), event(TypeFileUpload, SenderUser)}, 1, 1},
		"a file replies":            {[]Event{event(TypeUserMessage, SenderUser), event(TypeFileUpload, SenderAdmin)}, 1, 0},
		"a recording replies":       {[]Event{event(TypeVoiceMessage, SenderUser), event(TypeVoiceMessage, SenderAdmin)}, 1, 0},
		"a recording after a reply": {[]Event{event(TypeUserMessage, SenderAdmin), event(TypeVoiceMessage, SenderUser)}, 2, 1},
		"answered":                  {[]Event{event(TypeVoiceMessage, SenderUser), answered(1, StatusComplete)}, 1, 0},
	} {
		var s State
		for i, e := range tc.events {
			e.Seq = int64(i + 1)
			s = s.Apply(e)
		}
		assert.Equal(t, tc.asked, s.LastUserSeq, name)
		assert.Equal(t, tc.unreplied == 1, s.Unreplied(), name)
	}
}
