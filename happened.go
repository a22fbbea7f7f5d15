package chatbox

// WithdrawnAnswer stands for an answer of which nothing is left, where some of
// it was shown.
const WithdrawnAnswer = "This answer was withdrawn."

// Happened tells in words what an event without content stands for; empty: it
// has content, or there is nothing to tell. Clients of the earlier service show
// every entry of a history as a bubble with its content, and an empty one where
// there is none.
func (e Event) Happened() string {
	switch e.Type {
	case TypeHelpRequest:
		return "Asked for a person."
	case TypeModelSelect:
		return "Switched to " + e.ModelID + "."
	case TypeSessionEnded:
		return "The conversation has ended."
	default:
		return ""
	}
}

// Missing tells in words why nothing was said where words are expected: of an
// answer without any, and of what no key opens. Empty: words are there.
func (e Event) Missing() string {
	switch {
	case e.Unreadable:
		return "This message cannot be read any more."
	case e.Type != TypeAnswer || e.Answer == nil || e.Content != "":
		return ""
	case e.Answer.Finish == FinishCancelled, e.Answer.Finish == FinishTakenOver:
		return "The answer was stopped before its first word."
	case e.Answer.Finish == FinishFilter:
		return WithdrawnAnswer
	default:
		return "There was no answer."
	}
}
