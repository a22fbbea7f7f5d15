package chatbox

import "errors"

// Refusal is what a refused request or frame is counted as. The set is closed.
type Refusal string

// The refusals.
const (
	RefusedCredential  Refusal = "credential" // none, or not a valid one
	RefusedExpired     Refusal = "expired"
	RefusedWithdrawn   Refusal = "withdrawn" // an admin disconnected the user
	RefusedBlocked     Refusal = "blocked"
	RefusedOrigin      Refusal = "origin"
	RefusedPermission  Refusal = "permission"
	RefusedUserCap     Refusal = "user_cap"
	RefusedPodCap      Refusal = "pod_cap"
	RefusedSessionCap  Refusal = "session_cap" // sessions of one socket
	RefusedRate        Refusal = "rate"        // durable frames of a user
	RefusedHelpRate    Refusal = "help_rate"
	RefusedTypingRate  Refusal = "typing_rate"
	RefusedRESTRate    Refusal = "rest_rate"
	RefusedAddressRate Refusal = "address_rate"
	RefusedSize        Refusal = "size"
	RefusedDraining    Refusal = "draining"
	RefusedUnavailable Refusal = "unavailable" // Redis or the pod cannot serve now
	RefusedHistory     Refusal = "history"     // the history cannot be read or written now
)

// Refusals lists all of them.
func Refusals() []Refusal {
	return []Refusal{
		RefusedCredential, RefusedExpired, RefusedWithdrawn, RefusedBlocked, RefusedOrigin, RefusedPermission, RefusedUserCap, RefusedPodCap,
		RefusedSessionCap, RefusedRate, RefusedHelpRate, RefusedTypingRate, RefusedRESTRate, RefusedAddressRate, RefusedSize, RefusedDraining,
		RefusedUnavailable, RefusedHistory,
	}
}

// RefusalOf is what an error is counted as: what the error says, or one that it
// wraps, else what its code says. "" is no refusal: the request was wrong.
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
	case TooLarge:
		return RefusedSize
	case Draining:
		return RefusedDraining
	case Unavailable:
		return RefusedUnavailable
	case StoreFailed:
		return RefusedHistory
	default:
		return ""
	}
}
