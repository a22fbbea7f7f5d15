package doctor

import (
	"errors"
	"fmt"
	"strings"

	"chatbox"
	"chatbox/internal/outage"
)

// longest is how many bytes of a cause are quoted.
const longest = 300

// place is a server that the pod connects to.
type place struct {
	what    string // its noun, such as "Redis"
	at      string // its address without credentials
	setting string // the variable that names it
}

// trouble is a sentence for a failed connection: where, why, and what to do. It
// quotes the cause if the kind alone does not say it.
func (p place) trouble(kind outage.Kind, err error) string {
	why := string(kind)
	switch kind {
	case outage.Failed, outage.Certificate, outage.Handshake, outage.Command, outage.Permission, outage.Unresolved,
		outage.Database, outage.NotCluster, outage.NotSentinel, outage.NoPrimary, outage.Version:
		if cause := causeOf(err); cause != "" && cause != why {
			why += ": " + cause
		}
	default:
	}
	act := "use"
	switch kind {
	case outage.Refused, outage.Unresolved, outage.Timeout, outage.Unreachable:
		act = "connect to"
	default:
	}
	return fmt.Sprintf("cannot %s %s (%s). %s.", act, p.at, why, p.remedy(kind))
}

// remedy is what an operator does about the kind.
func (p place) remedy(kind outage.Kind) string {
	switch kind {
	case outage.Refused:
		return "Start " + p.what + " or correct " + p.setting
	case outage.Unresolved:
		return "Correct the host in " + p.setting + ", or the DNS of this machine"
	case outage.Timeout, outage.Unreachable:
		return "Check that " + p.what + " runs and that no firewall is in between, or correct " + p.setting
	case outage.Closed, outage.NeedsTLS, outage.NotTLS, outage.Handshake:
		return "Check whether " + p.setting + " and " + p.what + " agree on TLS and on the port"
	case outage.Certificate:
		return "Correct the certificate of " + p.what + ", or the authorities that " + p.setting + " trusts"
	case outage.Authentication:
		return "Correct the user and the password in " + p.setting
	case outage.Permission, outage.Command:
		return "Give the user of " + p.setting + " the rights that the pod needs"
	case outage.Full:
		return "Raise the number of clients that " + p.what + " accepts"
	case outage.Memory, outage.Disk:
		return "Give " + p.what + " more room"
	case outage.ReadOnly:
		return "Let " + p.setting + " lead to the server that accepts writes"
	case outage.NoPrimary:
		return "Wait until a primary is elected, or let " + p.setting + " name the replica set or the master that the servers have, and none where they have none"
	case outage.Loading, outage.Replicas, outage.ClusterDown:
		return "Wait until " + p.what + " has recovered, or repair it"
	default:
		return "Check " + p.what + " and " + p.setting
	}
}

// causeOf returns the innermost text that is for operators, without the text for
// users.
func causeOf(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*chatbox.Error](err); ok && e.Err != nil {
		err = e.Err
	}
	text, _, _ := strings.Cut(line(err.Error()), ", current topology") // MongoDB's driver describes it at length
	if len(text) > longest {
		text = text[:longest] + "…"
	}
	return text
}
