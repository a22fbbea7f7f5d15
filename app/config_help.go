package app

import (
	"fmt"
	"io"
	"strings"

	"chatbox/providers/llm"
)

// documented is the table as people read it.
func documented() []variable {
	all := variables(&Config{})
	for _, v := range providerVariables(&llm.Provider{}) {
		v.name = providerPrefix + "<n>_" + v.name
		all = append(all, v)
	}
	return all
}

// state is what a variable is when nobody sets it.
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

// Help prints every variable with its default and meaning.
func Help(w io.Writer) error {
	var b strings.Builder
	b.WriteString("chatbox serves one pod of a chat cluster.\n\n" +
		"  --config FILE  read settings from a .toml or .yaml file; the environment wins\n" +
		"  --version      print the version\n" +
		"  --help         print this\n\n" +
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

// Doc is docs/operations/config.md.
func Doc() string {
	var b strings.Builder
	b.WriteString("# Configuration\n\n" +
		"A pod reads its settings from the environment and, with `--config file.toml` or `file.yaml`, from a file; the environment wins. In the file a\n" +
		"setting is named as below or nested in small letters (`jwt: {secret: …}` is `JWT_SECRET`), and a list may be written as one. All\n" +
		"faults are reported at once and the pod exits with 2.\n\n" +
		"Durations are written `30s` or `2m`, or as whole seconds; sizes in bytes, `64KiB` or `1MiB`. A setting marked \\* may come from a\n" +
		"file instead: `NAME_FILE` names it. `LLM_PROVIDER_<n>_…` is one model for each number n, offered in their order; at least one is\n" +
		"required. Secrets that are placeholders or predictable are refused.\n\n" +
		"This page is made from the table that the pod reads (`UPDATE_DOCS=1 go test ./app -run TestDoc`).\n\n" +
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
