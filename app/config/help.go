package config

import (
	"fmt"
	"io"
	"strings"

	"chatbox/providers/llm"
)

// documented returns the table of variables for the help text and the
// documentation.
func documented() []variable {
	all := variables(&Config{})
	for _, v := range providerVariables(&llm.Provider{}) {
		v.name = providerPrefix + "<n>_" + v.name
		all = append(all, v)
	}
	return all
}

// state returns "required", the default, or "".
func (v variable) state() string {
	switch {
	case v.required:
		return "required"
	case v.def != "":
		return "default " + v.def
	default:
		return ""
	}
}

// Usage is the command's usage message.
const Usage = `usage: chatbox [command] [options]

commands
  (none)        serve one pod of a chat cluster
  healthcheck   exit 0 if this machine's pod is ready; it reads the same settings
  doctor        examine each dependency by the same settings, and say what to do; exit 1 if any fails
  rotate        seal the history again under the first key of ENCRYPTION_KEYS, while pods serve; a call that was interrupted continues
  version       print the version
  help          print every setting

options
  --config FILE   read settings from a .toml or .yaml file; the environment takes precedence
  --ask-models    doctor: ask each model for one token, which costs money
  --json          doctor: print the findings as JSON
  --status        rotate: only count what older keys have sealed; exit 3 if any is needed
  --rate N        rotate: seal at most N documents a second again (500)
  --print-config  print every setting and the source of its value, secrets redacted
  --version       print the version
  --help          print every setting
`

// Help prints every variable with its default and meaning.
func Help(w io.Writer) error {
	var b strings.Builder
	b.WriteString("chatbox serves one pod of a chat cluster.\n\n" + Usage + "\n" +
		"Settings are variables of the environment. Those marked * may come from a file:\nNAME_FILE names it.\n\n")
	for _, v := range documented() {
		mark := ""
		if v.secret {
			mark = " *"
		}
		fmt.Fprintf(&b, "%s%s", v.name, mark)
		if s := v.state(); s != "" {
			fmt.Fprintf(&b, " (%s)", s)
		}
		b.WriteString("\n    " + v.doc + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Doc returns the content of docs/operations/config.md.
func Doc() string {
	var b strings.Builder
	b.WriteString("# Configuration\n\n" +
		"A pod reads its settings from the environment and, with `--config file.toml` or `file.yaml`, from a file. The environment takes precedence. In the\n" +
		"file a setting has the name below or is nested in small letters (`jwt: {secret: …}` is `JWT_SECRET`), and a list may be a list of the file's\n" +
		"format. A setting that the file has twice, in either form, is a fault. The pod reports all faults at once and exits with 2.\n\n" +
		"`chatbox --print-config` prints every setting with its value and its source, without secrets. `chatbox healthcheck` reads the same settings as the\n" +
		"pod and exits with 0 if the pod is ready. `chatbox doctor` reads them too and examines each dependency. It prints one line for each: `ok`,\n" +
		"`warn` or `FAIL`, its name, and what to do. It exits with 1 on any `FAIL`. With `--json` it prints JSON. With `--ask-models` it asks each model for one\n" +
		"token, which costs money.\n\n" +
		"An unknown variable of the environment is a fault too if its name resembles a setting, such as `RATE_LIMITS` or `JWT_SECERT`, or begins with\n" +
		"`CHATBOX_` or `LLM_PROVIDER_`. Variables that Kubernetes and other programs set are ignored. `CHATBOX_UNKNOWN_VARIABLES=allow` turns the fault\n" +
		"into a warning.\n\n" +
		"Durations are written as `30s`, `2m` or whole seconds, and sizes as bytes, `64KiB` or `1MiB`. A setting marked \\* may be read from a file that\n" +
		"`NAME_FILE` names. `LLM_PROVIDER_<n>_…` describes one model for each number n. The models are offered in the order of their numbers, and at least\n" +
		"one is required. Secrets that are placeholders or predictable are refused.\n\n" +
		"This page is generated from the table that the pod reads (`UPDATE_DOCS=1 go test ./app/config -run TestDoc`).\n\n" +
		"| variable | default | meaning |\n|---|---|---|\n")
	for _, v := range documented() {
		mark := ""
		if v.secret {
			mark = " \\*"
		}
		def := ""
		switch {
		case v.required:
			def = "required"
		case v.def != "":
			def = "`" + v.def + "`"
		}
		fmt.Fprintf(&b, "| `%s`%s | %s | %s |\n", v.name, mark, def, strings.ReplaceAll(v.doc, "|", "\\|"))
	}
	return b.String()
}
