package persistence

import (
	"errors"
	"strings"

	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/description"
	"go.mongodb.org/mongo-driver/x/mongo/driver/auth"
	"go.mongodb.org/mongo-driver/x/mongo/driver/topology"

	"chatbox/internal/outage"
)

// Kind classifies an error of this package by why the history could not do the
// operation.
func Kind(err error) outage.Kind {
	if k := outage.Given(err); k != "" {
		return k
	}
	if sel, ok := errors.AsType[topology.ServerSelectionError](err); ok {
		return selectionKind(sel.Desc)
	}
	if _, ok := errors.AsType[*auth.Error](err); ok {
		if k := outage.KindOf(err); k != outage.Failed { // the connection broke during the operation
			return k
		}
		return outage.Authentication
	}
	if said, ok := errors.AsType[mongo.ServerError](err); ok {
		switch {
		case said.HasErrorCode(codeAuthFailed), said.HasErrorCode(codeAtlasAuth):
			return outage.Authentication
		case said.HasErrorCode(codeUnauthorized):
			if strings.Contains(err.Error(), "requires authentication") {
				return outage.Authentication
			}
			return outage.Permission
		}
	}
	return outage.KindOf(err)
}

// selectionKind returns why no server could be selected, from the latest error of
// each server.
func selectionKind(t description.Topology) outage.Kind {
	found := outage.Timeout
	for _, s := range t.Servers {
		if s.LastError == nil {
			continue
		}
		k := Kind(s.LastError)
		if k != outage.Timeout && k != outage.Failed {
			return k
		}
		found = k
	}
	if t.Kind == description.ReplicaSetNoPrimary && found == outage.Timeout {
		return outage.NoPrimary
	}
	return found
}
