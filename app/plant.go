//go:build !defect_dedupe && !defect_order

package app

import "chatbox/app/conversation"

// plant is where builds with a defect_ tag break a promise on purpose, so that
// the tests can be seen to notice (docs/operations/defects.md). This is every
// other build.
func plant(*conversation.Deps) {}
