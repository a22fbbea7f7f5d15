package chatbox

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// said folds a talk's events; each is who does what.
func said(events ...string) State {
	var s State
	for i, what := range events {
		who, act, _ := strings.Cut(what, " ")
		e := Event{Seq: int64(i + 1), Sender: SenderSystem, Time: time.UnixMilli(int64(i)), Metadata: map[string]string{MetaAdminID: who}}
		switch act {
		case "joins":
			e.Type = TypeAdminJoin
		case "leaves":
			e.Type = TypeAdminLeave
		case "vanishes":
			e.Type, e.Metadata[MetaAutomatic] = TypeAdminLeave, "true"
		case "ends":
			e.Type, e.Metadata = TypeSessionEnded, nil
		case "says":
			e.Type, e.Sender = TypeUserMessage, SenderAdmin
		case "asks":
			e.Type, e.Sender = TypeUserMessage, SenderUser
		case "answers":
			e.Type, e.Sender, e.Status = TypeAnswer, SenderAI, StatusComplete
			e.Answer = &Answer{Gen: Gen{Seq: s.LastUserSeq, Run: 1}}
		}
		s = s.Apply(e)
	}
	return s
}

func TestTalk_IsOneWhereAPersonSaidSomething(t *testing.T) {
	for name, tc := range map[string]struct {
		events    []string
		ended, by int64
	}{
		"none":                              {[]string{"u asks", "m answers"}, 0, 0},
		"goes on":                           {[]string{"u asks", "bob joins", "bob says"}, 0, 0},
		"left":                              {[]string{"u asks", "bob joins", "bob says", "u asks", "bob leaves"}, 5, 3},
		"left without a word":               {[]string{"u asks", "m answers", "bob joins", "bob leaves"}, 0, 0},
		"vanished":                          {[]string{"u asks", "bob joins", "bob says", "bob vanishes"}, 4, 3},
		"vanished without a word":           {[]string{"u asks", "m answers", "bob joins", "u asks", "bob vanishes"}, 0, 0},
		"ended":                             {[]string{"u asks", "bob joins", "bob says", "bob says", "u ends"}, 5, 4},
		"ended while nobody held it":        {[]string{"u asks", "m answers", "u ends"}, 0, 0},
		"ended some time after":             {[]string{"bob joins", "bob says", "bob leaves", "u ends"}, 3, 2},
		"transferred":                       {[]string{"bob joins", "bob says", "eve joins", "eve says", "eve leaves"}, 5, 4},
		"transferred to one who was silent": {[]string{"bob joins", "bob says", "eve joins", "eve vanishes"}, 4, 2},
		"transferred, nobody said anything": {[]string{"bob joins", "eve joins", "eve leaves"}, 0, 0},
		"the newest":                        {[]string{"bob joins", "bob leaves", "u asks", "m answers", "eve joins", "eve says", "eve leaves"}, 7, 6},
		"a silent one after it is none":     {[]string{"bob joins", "bob says", "bob leaves", "eve joins", "eve vanishes"}, 3, 2},
	} {
		if s := said(tc.events...); s.Talk.Ended != tc.ended || s.Talk.By != tc.by {
			t.Errorf("%s: ended by %d, with whom says %d", name, s.Talk.Ended, s.Talk.By)
		}
	}
}

// A fold of a version that knew of no talks does not take an answer from before
// for a word said in this one.
func TestTalk_BegunUnderAnEarlierVersion(t *testing.T) {
	for _, spoke := range []bool{false, true} {
		s := said("u asks", "m answers", "bob joins")
		s.Talk = Talk{}
		if spoke {
			s = s.Apply(Event{Seq: s.Head + 1, Type: TypeUserMessage, Sender: SenderAdmin})
		}
		s = s.Apply(Event{Seq: s.Head + 1, Type: TypeAdminLeave, Metadata: map[string]string{MetaAutomatic: "true"}})
		if got := s.Talk.Ended != 0; got != spoke {
			t.Errorf("%t: %+v", spoke, s.Talk)
		}
	}
}

func TestCheckRating(t *testing.T) {
	for _, tc := range []struct {
		score       int
		comment     string
		kept, field string
	}{
		{1, "", "", ""},
		{5, "  as\nwritten\x00 ", "  as\nwritten ", ""},
		{3, strings.Repeat("ü", MaxComment), strings.Repeat("ü", MaxComment), ""},
		{0, "", "", "score"},
		{6, "", "", "score"},
		{3, strings.Repeat("ü", MaxComment+1), "", "comment"},
		{3, "\xff", "", "comment"},
	} {
		kept, err := CheckRating(tc.score, tc.comment)
		var e *Error
		if errors.As(err, &e); kept != tc.kept || (err != nil) != (tc.field != "") || err != nil && e.Field != tc.field {
			t.Errorf("%d %.20q: %.20q, %v", tc.score, tc.comment, kept, err)
		}
	}
}
