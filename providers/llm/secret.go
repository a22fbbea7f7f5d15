package llm

import "chatbox/providers/internal/vendorapi"

// Secret is a provider's key. Printing, logging and marshalling a Secret never
// show its text. Only Reveal returns it.
type Secret = vendorapi.Secret

// NewSecret returns a Secret for the key. For an empty key it returns the zero
// Secret.
func NewSecret(text string) Secret { return vendorapi.NewSecret(text) }
