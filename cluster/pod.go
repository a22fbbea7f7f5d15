package cluster

import (
	"time"

	"chatbox"
)

// PodInfo is one row of the cluster view.
type PodInfo struct {
	ID            chatbox.PodID `json:"id"`
	Version       string        `json:"version"`
	State         string        `json:"state"` // "serving" or "draining"
	Connections   int           `json:"connections"`
	Generations   int           `json:"generations"`
	LastHeartbeat time.Time     `json:"last_heartbeat"`
}
