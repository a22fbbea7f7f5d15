package chatbox

// The refusals that several use cases share. Each call makes a new error, whose
// message is safe to show.

// NotYourSession refuses a session of another owner.
func NotYourSession() error {
	return &Error{Code: NotYours, Field: "session_id", Message: "session_id: this session is not yours"}
}

// NoSuchSession refuses a session that does not exist for the caller. An
// erased session exists for nobody, and its id is never free again.
func NoSuchSession() error {
	return &Error{Code: NotFound, Field: "session_id", Message: "session_id: no such session"}
}

// SessionEnded refuses an addition to a session that has ended.
func SessionEnded() error { return NewError(Ended, "the session has ended", nil) }

// NotHolder refuses an admin who does not hold the session.
func NotHolder() error {
	return &Error{Code: PermissionDenied, Field: "session_id", Message: "session_id: you do not hold this session"}
}

// StaffOnly refuses a caller without a role of staff.
func StaffOnly() error { return NewError(PermissionDenied, "only staff may do this", nil) }
