package api

import (
	"github.com/labstack/echo/v4"

	"chatbox/cluster"
)

type podView struct {
	ID            string `json:"id"`
	Version       string `json:"version"`
	State         string `json:"state"`
	Connections   int    `json:"connections"`
	Generations   int    `json:"generations"`
	LastHeartbeat string `json:"last_heartbeat"`
}

// clusterRoutes serve the pods of the cluster to staff.
type clusterRoutes struct{ live Live }

func (s *clusterRoutes) register(e *edge) {
	e.echo.GET(e.cfg.Prefix+"/admin/cluster", s.cluster, e.user, e.staff)
}

// cluster serves GET /admin/cluster: the pods with a recent heartbeat.
func (s *clusterRoutes) cluster(c echo.Context) error {
	pods, err := s.live.Pods(c.Request().Context())
	if err != nil {
		return err
	}
	return reply(c, map[string][]podView{"pods": views(pods, viewPod)})
}

func viewPod(p cluster.PodInfo) podView {
	return podView{
		ID: string(p.ID), Version: p.Version, State: p.State, Connections: p.Connections,
		Generations: p.Generations, LastHeartbeat: stamp(p.LastHeartbeat),
	}
}
