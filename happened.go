package chatbox

// WithdrawnAnswer replaces an answer that was partly shown and of which
// nothing is left.
const WithdrawnAnswer = "This answer was withdrawn."

// Happened describes an event without content; it returns "" for an event with
// content or without a description. Clients of the earlier service show every
// entry of a history as a bubble with its content, so without a description
// they would show an empty bubble.
func (e Event) Happened() string {
	switch e.Type {
	case TypeHelpRequest:
		return "Asked for a person."
	case TypeModelSelect:
		return "Switched to " + e.ModelID + "."
	case TypeSessionEnded:
		return "The conversation has ended."
	case TypeTranscript:
		if e.Content == "" && !e.Unreadable {
			return NoSpeech
		}
		return ""
	default:
		return ""
	}
}

// Missing explains why an event that should have content has none: an empty
// answer or an event that no key decrypts. It returns "" if nothing is
// missing.
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
