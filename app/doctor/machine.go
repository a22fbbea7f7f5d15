package doctor

import (
	"context"
	"errors"
	"net"
	"slices"
	"syscall"

	"chatbox/app"
	"chatbox/app/config"
)

// lookAtMachine examines the limit of open files and the addresses that a pod
// listens on.
func lookAtMachine(ctx context.Context, cfg config.Config) []Finding {
	found := one(OK, "nofile", "this process may open as many files as a pod needs")
	if doubt := app.DoubtFiles(cfg); doubt != "" {
		found = one(Warn, "nofile", doubt)
	}
	alive := func() bool { return app.Alive(ctx, cfg.HTTP) }
	found = append(found, lookAtAddress(ctx, "listen", cfg.HTTP.Listen, "LISTEN_ADDR", alive))
	if cfg.HTTP.Metrics == "" {
		return append(found, off("metrics", "METRICS_ADDR"))
	}
	return append(found, lookAtAddress(ctx, "metrics", cfg.HTTP.Metrics, "METRICS_ADDR", alive))
}

// lookAtAddress tries to listen for a moment. alive reports whether a pod runs
// here, which then holds the address.
func lookAtAddress(ctx context.Context, name, addr, setting string, alive func() bool) Finding {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	switch {
	case err == nil:
		_ = l.Close() // nobody has connected
		return Finding{OK, name, addr + " is free"}
	case errors.Is(err, syscall.EADDRINUSE) && alive():
		return Finding{Warn, name, addr + " is held by a running pod. That is right on the pod's machine; a second pod here needs another " + setting}
	case errors.Is(err, syscall.EADDRINUSE):
		return Finding{Fail, name, addr + " is held by another process, which is no pod. End it, or set " + setting + " to another port"}
	default:
		return Finding{Fail, name, "cannot listen on " + addr + " (" + causeOf(err) + "). Correct " + setting}
	}
}

// lookAtConfig returns a line for each fault and each warning of the
// configuration.
func lookAtConfig(cfg config.Config, faults, warnings []string) []Finding {
	var found []Finding
	for _, f := range faults {
		found = append(found, Finding{Fail, "config", f})
	}
	for _, w := range slices.Concat(warnings, doubts(cfg, len(faults) > 0)) {
		found = append(found, Finding{Warn, "config", w})
	}
	if len(found) == 0 {
		return one(OK, "config", "all settings are valid")
	}
	return found
}

// doubts are settings that are legal and dangerous outside of a trial.
func doubts(cfg config.Config, faulty bool) []string {
	if faulty {
		return nil
	}
	var all []string
	if cfg.Env == config.Development {
		all = append(all, "CHATBOX_ENV is development, which is for trials: unsafe settings of Redis and of origins are accepted. Set it to production for real users")
	}
	if !cfg.JWT.RequireExpiry {
		all = append(all, "JWT_REQUIRE_EXP is off: a token without exp is valid until its user is disconnected. Set it on, and let tokens expire")
	}
	return all
}
