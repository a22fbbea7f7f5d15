package llm

import (
	"strings"

	"chatbox"
)

// ending is what a vendor's reason for the end of an answer means.
type ending int

const (
	endNone    ending = iota // no reason was given
	endKnown                 // a whole answer, for the reason that comes with it
	endUnknown               // a whole answer, if the stream ends well
	endBroken                // the answer is not whole
)

// endingOf reads the reasons of all vendors, in whatever case they write them.
// The list of those that mean a whole answer is open: vendors invent words for
// stop. Those that mean a broken one are known: errors, and calls of tools that
// nobody offered.
func endingOf(vendors string) (ending, chatbox.Finish) {
	reason := strings.ToLower(strings.TrimSpace(vendors))
	reason = strings.NewReplacer("-", "_", " ", "_").Replace(reason)
	reason = strings.TrimPrefix(reason, "finish_reason_")
	switch reason {
	case "", "null", "none", "nil", "undefined", "unspecified", "n/a":
		return endNone, ""
	case "stop", "eos", "eos_token", "stop_sequence", "stop_token", "end_turn", "end", "complete", "completed", "done", "finished", "normal":
		return endKnown, chatbox.FinishStop
	case "length", "max_tokens", "max_length", "model_length", "max_output_tokens", "max_new_tokens", "max_completion_tokens",
		"token_limit", "model_context_window_exceeded", "context_length_exceeded":
		return endKnown, chatbox.FinishLength
	case "content_filter", "content_filtered", "content_policy", "safety", "sensitive", "refusal", "blocklist", "prohibited_content",
		"recitation", "spii", "image_safety", "language", "moderation", "guardrail_intervened", "guardrails", "blocked":
		return endKnown, chatbox.FinishFilter
	case "error", "error_toxic", "error_limit", "failed", "failure", "abort", "aborted", "cancel", "cancelled", "canceled", "interrupted",
		"timeout", "network_error", "server_error", "insufficient_system_resource", "engine_overloaded", "overloaded",
		"tool_calls", "tool_call", "tool_use", "function_call", "pause_turn",
		"malformed_function_call", "unexpected_tool_call", "too_many_tool_calls", "malformed_model_output":
		return endBroken, ""
	default:
		return endUnknown, ""
	}
}

// end notes a vendor's reason in the step.
func (st *step) end(reason string, key Secret) error {
	switch how, finish := endingOf(reason); how {
	case endKnown:
		st.finish = finish
	case endUnknown:
		st.ended = true
	case endBroken:
		return &failure{
			kind: cleanCode(strings.ToLower(reason), key), why: reasonUnknown,
			text: "the provider broke the answer off", declared: true,
		}
	case endNone:
	}
	return nil
}
