package llm

import (
	"strings"

	"chatbox"
	"chatbox/providers/internal/vendorapi"
)

// ending classifies a vendor's reason for the end of an answer.
type ending int

const (
	endNone    ending = iota // no reason was given
	endKnown                 // the answer is complete, with the returned finish
	endUnknown               // the answer is complete if the stream ends properly
	endBroken                // the answer is incomplete
)

// endingOf classifies the finish reasons of all vendors, in any case. The list of
// reasons for a complete answer is open, since vendors invent new words for stop.
// The reasons for an incomplete answer are known: errors, and calls of tools that
// were not offered.
func endingOf(vendors string) (ending, chatbox.Finish) {
	if vendors == "" {
		return endNone, ""
	}
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

// end records a vendor's finish reason in the step. It returns a failure if the
// answer is incomplete.
func (st *step) end(reason string, key Secret) error {
	switch how, finish := endingOf(reason); how {
	case endKnown:
		st.finish = finish
	case endUnknown:
		st.ended = true
	case endBroken:
		return &vendorapi.Failure{
			Kind: vendorapi.CleanCode(strings.ToLower(reason), key), Why: vendorapi.ReasonUnknown,
			Text: "the provider broke the answer off", Declared: true,
		}
	case endNone:
	}
	return nil
}
