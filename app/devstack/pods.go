package devstack

import (
	"context"
	"errors"
	"fmt"

	"chatbox"
)

// States of a pod.
const (
	stateRunning  = "running"
	stateDraining = "draining"
	stateStopped  = "stopped"
)

var errNoPod = errors.New("no such pod")

// PodState is the state of one pod, for the console.
type PodState struct {
	ID    chatbox.PodID `json:"id"`
	State string        `json:"state"`
	Addr  string        `json:"addr"`
}

// Pods lists the pods in order.
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

// target is a pod in the format of Prometheus' discovery by HTTP.
type target struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// targets lists the pods that serve metrics. A pod that is started again has
// another address.
func (s *Stack) targets() []target {
	out := make([]target, 0, len(s.pods))
	for _, p := range s.Pods() {
		if p.Addr != "" {
			out = append(out, target{Targets: []string{p.Addr}, Labels: map[string]string{
				"pod": string(p.ID), "__metrics_path__": prefix + "/metrics/prometheus",
			}})
		}
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

// running returns the addresses of the running pods, among which the balancer
// chooses.
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

// StartPod starts a new pod in place of a stopped one.
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

// KillPod ends a pod as a crash does: it cuts the sockets, gives no lease back and
// flushes nothing.
func (s *Stack) KillPod(id chatbox.PodID) error {
	p, err := s.leaving(id, stateStopped)
	if err != nil {
		return err
	}
	p.app.Kill()
	return nil
}

// DrainPod drains a pod and returns when it has stopped.
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

// leaving moves a running pod to a state in which the balancer skips it.
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

// Generations returns how many answers a pod is generating.
func (s *Stack) Generations(id chatbox.PodID) int {
	for _, p := range s.snapshot() {
		if p.id == id && p.app != nil && p.state != stateStopped {
			return p.app.Generations()
		}
	}
	return 0
}
