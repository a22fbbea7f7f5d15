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
  healthcheck   exit 0 where this machine's pod is ready; it reads the same settings
  version       print the version
  help          print every setting

options
  --config FILE   read settings from a .toml or .yaml file; the environment wins
  --print-config  print every setting, secrets redacted, and where its value comes from
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
		"A pod reads its settings from the environment and, with `--config file.toml` or `file.yaml`, from a file; the environment wins. In the file a\n" +
		"setting is named as below or nested in small letters (`jwt: {secret: …}` is `JWT_SECRET`), and a list may be written as one. A setting that\n" +
		"the file has twice, in whichever way it is written, is a fault. All faults are reported at once and the pod exits with 2.\n\n" +
		"`chatbox --print-config` prints every setting with its value and where that comes from, without secrets. `chatbox healthcheck` reads the same\n" +
		"settings as the pod and exits with 0 where it is ready.\n\n" +
		"A variable of the environment that looks like one of these and is none, such as `RATE_LIMITS` or `JWT_SECERT`, is a fault too, and so is every\n" +
		"unknown one that begins with `CHATBOX_` or `LLM_PROVIDER_`. What Kubernetes and other programs set is left alone.\n" +
		"`CHATBOX_UNKNOWN_VARIABLES=allow` turns the fault into a warning.\n\n" +
		"Durations are written `30s` or `2m`, or as whole seconds; sizes in bytes, `64KiB` or `1MiB`. A setting marked \\* may come from a\n" +
		"file instead: `NAME_FILE` names it. `LLM_PROVIDER_<n>_…` is one model for each number n, offered in their order; at least one is\n" +
		"required. Secrets that are placeholders or predictable are refused.\n\n" +
		"This page is made from the table that the pod reads (`UPDATE_DOCS=1 go test ./app/config -run TestDoc`).\n\n" +
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
