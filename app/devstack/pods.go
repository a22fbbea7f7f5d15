package devstack

import (
	"context"
	"errors"
	"fmt"

	"chatbox"
)

// States of a place in the cluster.
const (
	stateRunning  = "running"
	stateDraining = "draining"
	stateStopped  = "stopped"
)

var errNoPod = errors.New("there is no such pod")

// PodState is one place of the cluster, for the console.
type PodState struct {
	ID    chatbox.PodID `json:"id"`
	State string        `json:"state"`
	Addr  string        `json:"addr"`
}

// Pods lists the places in order.
func (s *Stack) Pods() []PodState {
	out := make([]PodState, 0, len(s.pods))
	for _, p := range s.snapshot() {
		ps := PodState{ID: p.id, State: p.state}
		if p.app != nil && p.state != stateStopped {
			ps.Addr = p.app.Addr()
		}
		out = append(out, ps)
	}
	return out
}

func (s *Stack) snapshot() []pod {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]pod, 0, len(s.pods))
	for _, p := range s.pods {
		out = append(out, *p)
	}
	return out
}

// running lists the addresses that the balancer may choose from: pods that
// neither drain nor are stopped.
func (s *Stack) running() []string {
	var ready []string
	for _, p := range s.snapshot() {
		if p.state == stateRunning {
			ready = append(ready, p.app.Addr())
		}
	}
	return ready
}

func (s *Stack) find(id chatbox.PodID) (*pod, error) {
	for _, p := range s.pods {
		if p.id == id {
			return p, nil
		}
	}
	return nil, errNoPod
}

// StartPod fills a stopped place with a new pod.
func (s *Stack) StartPod(ctx context.Context, id chatbox.PodID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.find(id)
	if err != nil {
		return err
	}
	if p.state != stateStopped {
		return fmt.Errorf("%s is %s", id, p.state)
	}
	a, err := s.newApp(id)
	if err != nil {
		return err
	}
	if err := a.Start(ctx); err != nil {
		return err
	}
	p.app, p.state = a, stateRunning
	return nil
}

// KillPod ends a pod as a crash does: sockets cut, leases left to expire,
// nothing flushed.
func (s *Stack) KillPod(id chatbox.PodID) error {
	p, err := s.leaving(id, stateStopped)
	if err != nil {
		return err
	}
	p.app.Kill()
	return nil
}

// DrainPod sends a pod's clients away and stops it; it returns when it is gone.
func (s *Stack) DrainPod(ctx context.Context, id chatbox.PodID) error {
	p, err := s.leaving(id, stateDraining)
	if err != nil {
		return err
	}
	err = p.app.Stop(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if q, ferr := s.find(id); ferr == nil && q.app == p.app {
		q.state = stateStopped
	}
	return err
}

// leaving moves a running pod to a state in which the balancer leaves it out.
func (s *Stack) leaving(id chatbox.PodID, to string) (pod, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.find(id)
	if err != nil {
		return pod{}, err
	}
	if p.state == stateStopped || p.state == to {
		return pod{}, fmt.Errorf("%s is %s", id, p.state)
	}
	p.state = to
	return *p, nil
}

// Generations counts the answers that a pod is giving now.
func (s *Stack) Generations(id chatbox.PodID) int {
	for _, p := range s.snapshot() {
		if p.id == id && p.app != nil && p.state != stateStopped {
			return p.app.Generations()
		}
	}
	return 0
}
