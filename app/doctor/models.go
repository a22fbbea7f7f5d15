package doctor

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"chatbox/app/config"
	"chatbox/internal/outage"
	"chatbox/providers/llm"
)

// asker asks a model for one token.
type asker func(ctx context.Context, p llm.Provider) error

// askWith returns an asker with the pod's time-outs.
func askWith(cfg llm.Config) asker {
	return func(ctx context.Context, p llm.Provider) error { return llm.Try(ctx, cfg, p) }
}

// lookAtModels examines the server of each model, one line each. If ask is not
// nil, each model that can be reached is asked for one token, which costs money.
func (c reacher) lookAtModels(ctx context.Context, providers []llm.Provider, ask asker) []Finding {
	found := make([]Finding, len(providers))
	var wg sync.WaitGroup
	for i, p := range providers {
		wg.Go(func() { found[i] = c.lookAtModel(ctx, p, ask) }) // ends with ctx; waited for below
	}
	wg.Wait()
	return found
}

func (c reacher) lookAtModel(ctx context.Context, p llm.Provider, ask asker) Finding {
	line := func(l Level, format string, args ...any) Finding {
		return Finding{l, "llm", fmt.Sprintf("model %q", p.ID) + fmt.Sprintf(format, args...)}
	}
	origin, err := p.Origin()
	switch {
	case err != nil:
		return line(Fail, ": %s. Correct its ENDPOINT", causeOf(err))
	case origin == "":
		return line(OK, " is scripted and needs no server")
	}
	if err := c.reach(ctx, origin); err != nil {
		at := place{what: "the server", at: origin, setting: fmt.Sprintf("the ENDPOINT of the model %q", p.ID)}
		return line(Fail, ": %s", at.trouble(outage.KindOf(err), err))
	}
	if ask == nil {
		return line(OK, ": %s can be reached; --ask-models asks it for one token", origin)
	}
	if err := ask(ctx, p); err != nil {
		return line(Fail, " at %s does not answer: %s", origin, causeOf(err))
	}
	return line(OK, " at %s answers", origin)
}

// lookAtVoice examines the servers of transcripts and speech.
func (c reacher) lookAtVoice(ctx context.Context, cfg config.Voice) []Finding {
	var found []Finding
	for _, v := range []struct{ name, endpoint, setting, model string }{
		{"transcribe", cfg.Transcribe.Endpoint, "TRANSCRIBE_ENDPOINT", cfg.Transcribe.Model},
		{"speech", cfg.Speech.Endpoint, "SPEECH_ENDPOINT", cfg.Speech.Model},
	} {
		if v.endpoint == "" {
			found = append(found, off(v.name, v.setting))
			continue
		}
		found = append(found, c.lookAtWeb(ctx, v.name, "model "+v.model, v.endpoint, v.setting))
	}
	return found
}

// off is the line of a feature that is not configured.
func off(name string, settings ...string) Finding {
	return Finding{OK, name, "not configured (" + strings.Join(settings, ", ") + ")"}
}
