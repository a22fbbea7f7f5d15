// Package browser tests the console in a real Chromium, against a small fake of the cluster or, where
// CHATBOX_TEST_CONSOLE_URL names a console's link, against a running stack.
package browser
