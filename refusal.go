package chatbox

import "errors"

// Refusal is the label under which a refused request or frame is counted. The
// set is closed.
type Refusal string

// The refusals.
const (
	RefusedCredential  Refusal = "credential" // missing or invalid
	RefusedExpired     Refusal = "expired"
	RefusedWithdrawn   Refusal = "withdrawn" // an admin disconnected the user
	RefusedBlocked     Refusal = "blocked"
	RefusedOrigin      Refusal = "origin"
	RefusedPermission  Refusal = "permission"
	RefusedUserCap     Refusal = "user_cap"
	RefusedPodCap      Refusal = "pod_cap"
	RefusedSessionCap  Refusal = "session_cap" // sessions per socket
	RefusedRate        Refusal = "rate"        // a user's durable frames
	RefusedHelpRate    Refusal = "help_rate"
	RefusedTypingRate  Refusal = "typing_rate"
	RefusedRESTRate    Refusal = "rest_rate"
	RefusedAddressRate Refusal = "address_rate"
	RefusedSize        Refusal = "size"
	RefusedFileType    Refusal = "file_type"
	RefusedFileQuota   Refusal = "file_quota" // a user's files or bytes of the day
	RefusedVirus       Refusal = "virus"
	RefusedDraining    Refusal = "draining"
	RefusedUnavailable Refusal = "unavailable" // Redis or the pod cannot serve now
	RefusedHistory     Refusal = "history"     // the history cannot be read or written now
)

// Refusals lists all refusals.
func Refusals() []Refusal {
	return []Refusal{
		RefusedCredential, RefusedExpired, RefusedWithdrawn, RefusedBlocked, RefusedOrigin, RefusedPermission, RefusedUserCap, RefusedPodCap,
		RefusedSessionCap, RefusedRate, RefusedHelpRate, RefusedTypingRate, RefusedRESTRate, RefusedAddressRate, RefusedSize,
		RefusedFileType, RefusedFileQuota, RefusedVirus, RefusedDraining, RefusedUnavailable, RefusedHistory,
	}
}

// RefusalOf returns the label of an error: the Refusal of the error or of one
// that it wraps, else the one for its code. It returns "" if the request was
// invalid rather than refused.
func RefusalOf(err error) Refusal {
	for next := err; ; {
		e, ok := errors.AsType[*Error](next)
		if !ok {
			break
		}
		if e.Refusal != "" {
			return e.Refusal
		}
		next = e.Err
	}
	switch CodeOf(err) {
	case Unauthenticated:
		return RefusedCredential
	case TokenExpired:
		return RefusedExpired
	case PermissionDenied:
		return RefusedPermission
	case RateLimited:
		return RefusedRate
	case LimitExceeded:
		return RefusedUserCap
	case TooLarge, FileSize:
		return RefusedSize
	case FileType:
		return RefusedFileType
	case FileInfected:
		return RefusedVirus
	case Draining:
		return RefusedDraining
	case Unavailable, FilesFailed:
		return RefusedUnavailable
	case StoreFailed:
		return RefusedHistory
	default:
		return ""
	}
}
