package main

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"chatbox/cmd/chatload/client"
	"chatbox/cmd/chatload/ledger"
)

// settled waits until every device has every ack and the session's head. It
// reports whether the devices must have received everything.
func (t *talk) settled(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, t.load.settle)
	defer cancel()
	for _, d := range t.devices {
		err := d.WaitFor(ctx, func(tr *client.Tracker) bool {
			s := tr.Session(t.id)
			return tr.Attached(t.id) && s.Unacked() == 0
		})
		if err != nil {
			return t.unsettled(err)
		}
	}
	page, err := t.who.rest.Before(ctx, t.id, 0, 1)
	if err != nil {
		return t.nothingAcked(t.ledgers()) || t.unsettled(err)
	}
	for _, d := range t.devices {
		// A device that never gets there is found by the ledger.
		_ = d.WaitFor(ctx, func(tr *client.Tracker) bool { return tr.Session(t.id).LastSeq >= page.HeadSeq })
	}
	return true
}

func (t *talk) unsettled(err error) bool {
	t.report.Add(ledger.Unchecked, "session %s did not settle: %v", t.id, err)
	return false
}

// compare reads the history and judges the session. If the history cannot be
// read, the session is unchecked, which counts as a finding.
func (t *talk) compare(ctx context.Context, complete bool) ledger.Report {
	in := ledger.Input{SessionID: t.id, Expected: t.load.expected, Complete: complete, Devices: t.ledgers()}
	history, err := t.who.rest.History(ctx, t.id)
	var status *client.StatusError
	switch {
	case errors.As(err, &status) && status.Status == http.StatusNotFound && t.nothingAcked(in.Devices):
	case err != nil:
		var r ledger.Report
		r.Add(ledger.Unchecked, "session %s: history: %v", t.id, err)
		return r
	}
	in.History = history
	return ledger.Compare(in)
}

func (t *talk) nothingAcked(devices []ledger.Device) bool {
	for _, d := range devices {
		if len(d.Events) > 0 {
			return false
		}
	}
	return true
}

// ledgers returns what the devices saw.
func (t *talk) ledgers() []ledger.Device {
	all := make([]ledger.Device, len(t.devices))
	for n, d := range t.devices {
		d.View(func(tr *client.Tracker) { all[n] = ledger.Take("device "+strconv.Itoa(n), t.id, tr) })
	}
	return all
}
