package app

import (
	"chatbox"
	"chatbox/app/access"
	"chatbox/app/answer"
	"chatbox/app/api"
	"chatbox/app/live"
	"chatbox/app/sessionlog"
	"chatbox/cluster"
	"chatbox/helpdesk"
	"chatbox/hub"
	"chatbox/redisstate"
)

var _ redisstate.Handler = inbox{}

// inbox dispatches the messages of the bus to the parts of the pod. None of its
// methods blocks.
type inbox struct {
	sessions *sessionlog.Log
	live     *live.Service
	answers  *answer.Service
	gate     *access.Gate
	hub      *hub.Hub
}

func (i inbox) Update(u cluster.Update) { i.live.Update(u) }

func (i inbox) Wake(k chatbox.SessionKey) { i.answers.Wake(k) }

// Notice sends the notice to the tenant's admins on this pod, or to one admin if
// it names one.
func (i inbox) Notice(n helpdesk.Notice) {
	if n.To != "" {
		i.hub.NotifyAdmin(chatbox.UserKey{Tenant: n.Tenant, ID: n.To}, api.Notification(n))
		return
	}
	i.hub.Notify(n.Tenant, api.Notification(n))
}

// Resubscribed notifies every part that messages may have been missed.
func (i inbox) Resubscribed() {
	i.sessions.Resubscribed()
	i.live.Resubscribed()
	i.answers.Resubscribed()
	i.gate.Resubscribed()
}

func (i inbox) Disconnected(w chatbox.Withdrawal) { i.gate.Disconnected(w) }

func (i inbox) BlockChanged(u chatbox.UserKey) { i.gate.BlockChanged(u) }
