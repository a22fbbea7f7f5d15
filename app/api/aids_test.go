package api

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"chatbox"
	"chatbox/helpdesk"
)

// fullAids refuse as a desk without room does.
type fullAids struct{ deskFake }

func (fullAids) AddNote(context.Context, chatbox.Actor, string, string) (helpdesk.Note, error) {
	return helpdesk.Note{}, chatbox.NewError(chatbox.Full, "the session has 200 notes; delete some first", nil)
}

func (fullAids) AddReply(context.Context, chatbox.Actor, helpdesk.CannedReply) (helpdesk.CannedReply, error) {
	return helpdesk.CannedReply{}, chatbox.NewError(chatbox.Full, "", nil)
}

func TestAids_Full(t *testing.T) {
	p := newPod(t, func(st *setup) { st.aids = fullAids{} })
	h := roleToken(t, theirTenant, chatbox.RoleAdmin)
	for path, body := range map[string]string{
		"/admin/sessions/known/notes": `{"text":"x"}`, "/admin/replies": `{"shortcut":"x","text":"x"}`,
	} {
		status, f := p.fails("POST", path, h, strings.NewReader(body))
		assert.Equal(t, 409, status, path)
		assert.Equal(t, "LIMIT_EXCEEDED", f.Code, path)
		assert.NotEmpty(t, f.Message, path)
	}
}
