package conversation

import (
	"context"
	"time"

	"chatbox"
	"chatbox/app/sessionlog"
	"chatbox/cluster"
	"chatbox/helpdesk"
)

// ephemeralWait bounds how long an ephemeral update may delay the request that
// causes it.
const ephemeralWait = 2 * time.Second

// Rate stores the owner's rating of the newest ended talk with a person and
// notifies the admins. A repeat of the same rating has no effect.
// chatbox.NotFound: there was no talk.
func (s *Service) Rate(ctx context.Context, a chatbox.Actor, sessionID string, score int, comment string) (chatbox.Rating, error) {
	comment, err := chatbox.CheckRating(score, comment)
	if err != nil {
		return chatbox.Rating{}, err
	}
	sess, err := s.log.Owned(ctx, a, sessionID)
	if err != nil {
		return chatbox.Rating{}, err
	}
	talk := sess.State.Talk
	if talk.Ended == 0 {
		return chatbox.Rating{}, chatbox.NewError(chatbox.NotFound, "there has been no talk with a person to rate", nil)
	}
	if had := sess.Rating; had != nil && had.Talk == talk.Ended && had.Score == score && had.Comment == comment {
		return *had, nil // a repeat; the first reply may have been lost
	}
	who, err := s.talkedTo(ctx, sess.Key, talk)
	if err != nil {
		return chatbox.Rating{}, err
	}
	r := chatbox.Rating{Score: score, Comment: comment, Time: s.log.Now(), Talk: talk.Ended, AdminID: who.UserID}
	if r, err = s.deps.Ratings.Rate(ctx, sess.Key, r); err != nil {
		return chatbox.Rating{}, err
	}
	s.notifyStaff(ctx, helpdesk.Notice{
		Tenant: sess.Key.Tenant, Event: helpdesk.NoticeRated, SessionID: sessionID, UserID: sess.Owner, Score: r.Score, Time: r.Time,
	})
	return r, nil
}

// notifyStaff notifies connected admins of a change that is stored already. It
// only logs failures, since admins can read the change elsewhere.
func (s *Service) notifyStaff(ctx context.Context, n helpdesk.Notice) {
	ctx, cancel := context.WithTimeout(ctx, ephemeralWait)
	defer cancel()
	if err := s.deps.Staff.NotifyStaff(ctx, n); err != nil {
		s.deps.Logger.DebugContext(ctx, "admins not told", "event", n.Event, "session", n.SessionID, "error", err)
	}
}

// RatingOf returns the rating of the newest talk in the caller's session, or
// that it is requested.
func (s *Service) RatingOf(ctx context.Context, a chatbox.Actor, sessionID string) (RatingView, error) {
	sess, err := s.log.Owned(ctx, a, sessionID)
	st := sess.State
	if err != nil || st.Talk.Ended == 0 {
		return RatingView{}, err
	}
	who, err := s.talkedTo(ctx, sess.Key, st.Talk)
	if err != nil {
		return RatingView{}, err
	}
	v := RatingView{AdminID: who.UserID, AdminName: who.Name}
	if sess.Rating != nil && sess.Rating.Talk >= st.Talk.Ended {
		v.Rating = sess.Rating
	} else {
		v.Requested = s.cfg.AskRating && st.HolderID == ""
	}
	return v, nil
}

// talkedTo returns the admin of the session's newest talk.
func (s *Service) talkedTo(ctx context.Context, k chatbox.SessionKey, t chatbox.Talk) (chatbox.Actor, error) {
	e, err := s.log.Message(ctx, k, t.By)
	return chatbox.Actor{Tenant: k.Tenant, UserID: e.Metadata[chatbox.MetaAdminID], Name: e.Metadata[chatbox.MetaAdminName]}, err
}

// askRating asks the owner's sockets for a rating if the appended event ended
// a talk with a person. Only the pod that made the event asks. An owner who is
// not connected is asked later (RatingOf).
func (s *Service) askRating(ctx context.Context, res sessionlog.Appended) {
	e, talk := res.Event, res.State.Talk
	if res.Repeat || !s.cfg.AskRating || talk.Ended != e.Seq {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ephemeralWait)
	defer cancel()
	who, err := s.talkedTo(ctx, e.Session, talk)
	if err == nil {
		meta := map[string]string{chatbox.MetaAdminID: who.UserID}
		if who.Name != "" {
			meta[chatbox.MetaAdminName] = who.Name
		}
		err = s.deps.Ephemerals.PublishEphemeral(ctx, cluster.Update{Session: e.Session, Owner: e.Owner, Notification: &cluster.Notification{
			To: cluster.ToOwner, Event: cluster.NotificationRating, After: e.Seq, Metadata: meta,
		}})
	}
	if err != nil {
		s.deps.Logger.DebugContext(ctx, "owner not asked for a rating", "session", e.Session.ID, "error", err)
	}
}

// RatingView is the rating of a session as its owner sees it.
type RatingView struct {
	Requested bool   // there is an unrated talk
	AdminID   string // the admin of the talk; empty: there was none
	AdminName string // may be empty
	Rating    *chatbox.Rating
}
