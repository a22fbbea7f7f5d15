package api

import (
	"encoding/json"

	"github.com/labstack/echo/v4"

	"chatbox"
)

const (
	fieldScore   = "score"
	fieldComment = "comment"
)

// ratingRoutes serve the rating of a talk by its user.
type ratingRoutes struct{ rating Rating }

func (s *ratingRoutes) register(e *edge) {
	p := e.cfg.Prefix
	e.echo.GET(p+"/sessions/:id/rating", s.showRating, e.user)
	e.echo.POST(p+"/sessions/:id/rating", s.rate, e.user)
}

// ratingView is a rating as staff see it with its session.
type ratingView struct {
	Score   int    `json:"score"`
	Comment string `json:"comment,omitempty"`
	RatedAt string `json:"rated_at"`
	AdminID string `json:"admin_id"`
}

func viewRating(r *chatbox.Rating) *ratingView {
	if r == nil {
		return nil
	}
	return &ratingView{Score: r.Score, Comment: r.Comment, RatedAt: stamp(r.Time), AdminID: r.AdminID}
}

// rated is the owner's view of a rating. If there is no rating yet, it names the
// person that the rating would be about.
type rated struct {
	SessionID string `json:"session_id"`
	Requested *bool  `json:"requested,omitempty"` // only in responses to GET
	Score     int    `json:"score,omitempty"`
	Comment   string `json:"comment,omitempty"`
	RatedAt   string `json:"rated_at,omitempty"`
	AdminID   string `json:"admin_id,omitempty"`
	AdminName string `json:"admin_name,omitempty"`
}

func (v rated) with(r *chatbox.Rating) rated {
	if r != nil {
		v.Score, v.Comment, v.RatedAt, v.AdminID = r.Score, r.Comment, stamp(r.Time), r.AdminID
	}
	return v
}

// showRating serves GET /sessions/{id}/rating.
func (s *ratingRoutes) showRating(c echo.Context) error {
	id, err := sessionParam(c)
	if err != nil {
		return err
	}
	v, err := s.rating.RatingOf(c.Request().Context(), actorOf(c), id)
	if err != nil {
		return err
	}
	return reply(c, rated{SessionID: id, Requested: &v.Requested, AdminID: v.AdminID, AdminName: v.AdminName}.with(v.Rating))
}

// rate serves POST /sessions/{id}/rating {score, comment?}.
func (s *ratingRoutes) rate(c echo.Context) error {
	id, err := sessionParam(c)
	if err != nil {
		return err
	}
	var score *int64
	var comment string
	err = fields{
		fieldScore: func(raw json.RawMessage) (err error) {
			if score, err = integer(fieldScore, raw); err != nil || *score > chatbox.MaxScore {
				err = chatbox.Invalid(fieldScore, "must be a whole number from 1 to 5")
			}
			return err
		},
		fieldComment: textField(fieldComment, &comment),
	}.read(c)
	if err == nil && score == nil {
		err = chatbox.Missing(fieldScore)
	}
	if err != nil {
		return err
	}
	r, err := s.rating.Rate(c.Request().Context(), actorOf(c), id, int(*score), comment)
	if err != nil {
		return err
	}
	return reply(c, rated{SessionID: id}.with(&r))
}
