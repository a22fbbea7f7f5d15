// Package helpdesk holds the nouns of the help desk and their rules: opening
// hours, canned replies, notes, labels, the queue, the team, staff's lists and
// searches, blocks, notices and alerts. It does no I/O and depends on package
// chatbox and the standard library alone. No event of a session's log contains
// anything of it, and the fold does not know it.
package helpdesk
