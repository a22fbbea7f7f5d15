package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"chatbox"
	"chatbox/hub"
)

// Wire codes that no domain code maps to.
const (
	wireNotFound  = "NOT_FOUND"
	wireMalformed = "INVALID_FORMAT"
)

// rendering is how one domain code is shown to clients.
type rendering struct {
	wire        string // code on the socket and over REST
	status      int    // HTTP status
	closeCode   int    // of the socket; 0: the socket stays open
	recoverable bool   // a retry of the same request may succeed
	message     string // used if the error has none
}

// render maps the domain's codes to what clients see.
func render(code chatbox.Code) rendering {
	switch code {
	case chatbox.InvalidArgument:
		return rendering{"INVALID_FORMAT", http.StatusBadRequest, 0, false, "the request is malformed"}
	case chatbox.MissingField:
		return rendering{"MISSING_FIELD", http.StatusBadRequest, 0, false, "a field is missing"}
	case chatbox.Unauthenticated:
		return rendering{"INVALID_TOKEN", http.StatusUnauthorized, hub.CloseCredential, false, "the credential is missing or invalid"}
	case chatbox.TokenExpired:
		return rendering{"EXPIRED_TOKEN", http.StatusUnauthorized, hub.CloseCredential, false, "the credential has expired"}
	case chatbox.NotYours:
		return rendering{"UNAUTHORIZED", http.StatusNotFound, 0, false, "this session is not yours"}
	case chatbox.PermissionDenied:
		return rendering{"INSUFFICIENT_PERMISSIONS", http.StatusForbidden, 0, false, "this is not permitted"}
	case chatbox.NotFound:
		return rendering{wireNotFound, http.StatusNotFound, 0, false, "there is no such thing"}
	case chatbox.Ended:
		return rendering{"SESSION_ENDED", http.StatusConflict, 0, false, "the session has ended"}
	case chatbox.TakenOver:
		return rendering{"TAKEN_OVER", http.StatusConflict, 0, false, "another admin holds the session"}
	case chatbox.RateLimited:
		return rendering{"TOO_MANY_REQUESTS", http.StatusTooManyRequests, 0, true, "too many requests"}
	case chatbox.LimitExceeded:
		return rendering{"CONNECTION_LIMIT_EXCEEDED", http.StatusTooManyRequests, 0, true, "a limit is reached"}
	case chatbox.Full:
		return rendering{"LIMIT_EXCEEDED", http.StatusConflict, 0, false, "there are as many as there may be"}
	case chatbox.Conflict:
		return rendering{"CONFLICT", http.StatusConflict, 0, false, "something else has that already"}
	case chatbox.TooLarge:
		return rendering{"INVALID_FORMAT", http.StatusRequestEntityTooLarge, 0, false, "the request is too large"}
	case chatbox.FileType, chatbox.FileSize, chatbox.FileInfected, chatbox.NoSuchRange, chatbox.FilesFailed:
		return renderFile(code)
	case chatbox.StoreFailed:
		return rendering{"DATABASE_ERROR", http.StatusServiceUnavailable, 0, true, "the history is not available; please try again"}
	case chatbox.Unreadable:
		return rendering{"DATABASE_ERROR", http.StatusInternalServerError, 0, false, "no key of this cluster opens the record"}
	case chatbox.ModelFailed:
		return rendering{"LLM_UNAVAILABLE", http.StatusServiceUnavailable, 0, true, "the model is not available"}
	case chatbox.ModelTimeout:
		return rendering{"LLM_TIMEOUT", http.StatusServiceUnavailable, 0, true, "the model did not answer in time"}
	case chatbox.ModelRefused:
		return rendering{"LLM_UNAVAILABLE", http.StatusServiceUnavailable, 0, false, "the model's provider refuses the request"}
	case chatbox.ModelFiltered:
		return rendering{"LLM_UNAVAILABLE", http.StatusServiceUnavailable, 0, false, "the model's provider refused to answer"}
	case chatbox.Draining:
		return rendering{"DRAINING", http.StatusServiceUnavailable, hub.CloseDraining, true, "this pod is shutting down"}
	case chatbox.Unavailable, chatbox.Clash, chatbox.NotOwner:
		return rendering{"SERVICE_ERROR", http.StatusServiceUnavailable, 0, true, "the service is not available; please try again"}
	default:
		return rendering{"SERVICE_ERROR", http.StatusInternalServerError, 0, true, "something went wrong; please try again"}
	}
}

// renderFile is render for the codes of files.
func renderFile(code chatbox.Code) rendering {
	switch code {
	case chatbox.FileType:
		return rendering{"INVALID_FILE_TYPE", http.StatusUnsupportedMediaType, 0, false, "files of this type are not accepted"}
	case chatbox.FileSize:
		return rendering{"INVALID_FILE_SIZE", http.StatusRequestEntityTooLarge, 0, false, "the file is too large"}
	case chatbox.FileInfected:
		return rendering{"INVALID_FILE_TYPE", http.StatusUnprocessableEntity, 0, false, "the file is refused"}
	case chatbox.NoSuchRange:
		return rendering{"INVALID_FORMAT", http.StatusRequestedRangeNotSatisfiable, 0, false, "Range: the file has no such bytes"}
	default:
		return rendering{"STORAGE_ERROR", http.StatusServiceUnavailable, 0, true, "the file store is not available; please try again"}
	}
}

// shown is the part of an error that a client sees.
type shown struct {
	rendering
	metadata   map[string]string
	retryAfter time.Duration
	of         string // the field at fault
}

// show renders an error. It uses only messages written for users, never a cause.
func show(err error) shown {
	code := chatbox.CodeOf(err)
	if code == chatbox.Internal && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
		code = chatbox.Unavailable
	}
	s := shown{rendering: render(code)}
	if e, ok := errors.AsType[*chatbox.Error](err); ok {
		if e.Message != "" && code != chatbox.Internal && code != chatbox.Clash && code != chatbox.NotOwner {
			s.message = e.Message
		}
		s.metadata, s.retryAfter, s.of = e.Metadata, e.RetryAfter, e.Field
	}
	return s
}

// overREST hides whether a session exists from users who may not access it. Other
// things that a request names and that do not exist are reported.
func (s shown) overREST(code chatbox.Code) shown {
	if code == chatbox.NotYours || code == chatbox.NotFound && (s.of == "" || s.of == fieldSession) {
		s.rendering = render(chatbox.NotFound)
	}
	return s
}

// report logs an error's cause if an operator can act on it. Clients' mistakes
// are only answered. While a dependency is unavailable every request fails, so at
// most one such error per minute is logged, with the number of those omitted.
func (e *edge) report(ctx context.Context, err error, doing string) {
	code := chatbox.CodeOf(err)
	if errors.Is(err, context.Canceled) && (ctx.Err() != nil || code == chatbox.Internal) {
		return // the client or the pod is gone
	}
	switch code {
	case chatbox.Internal, chatbox.Clash, chatbox.NotOwner:
		e.log.ErrorContext(ctx, "request failed", "doing", doing, "code", code, "error", err)
	case chatbox.Unavailable, chatbox.StoreFailed, chatbox.FilesFailed, chatbox.Unreadable, chatbox.FileInfected:
		if more, ok := e.troubles.Pass(string(code)); ok {
			e.log.WarnContext(ctx, "request failed", "doing", doing, "code", code, "error", err, "others_since", more)
		}
	default:
	}
}

// retryAfterSeconds returns the value of a Retry-After header: whole seconds, at
// least one.
func retryAfterSeconds(d time.Duration) string {
	return strconv.FormatInt(max(1, int64((d+time.Second-1)/time.Second)), 10)
}
