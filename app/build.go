package app

import "runtime/debug"

// Version is shown in the cluster view. The linker sets it for releases.
var Version = "dev" //nolint:gochecknoglobals // set by -ldflags

// Revision returns the commit that the program was built from, or "unknown".
func Revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "unknown"
}
