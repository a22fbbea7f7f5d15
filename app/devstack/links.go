package devstack

import (
	"log/slog"
	"net/url"

	"chatbox"
	"chatbox/providers/llm"
)

// Link returns the console's address with a token for the user. Its list of pods
// needs an admin's token. Both tokens are in the fragment, which browsers do not
// send.
func (s *Stack) Link(userID string) (string, error) {
	token, err := s.Token(userID, userID)
	if err != nil {
		return "", err
	}
	admin, err := s.Token("operator", "operator", "admin")
	if err != nil {
		return "", err
	}
	return s.URL() + prefix + "/console/#token=" + url.QueryEscape(token) + "&admin=" + url.QueryEscape(admin), nil
}

// StaffLink returns the staff page's address with a token for the admin.
func (s *Stack) StaffLink(adminID, name string) (string, error) {
	token, err := s.Token(adminID, name, chatbox.RoleChatAdmin)
	if err != nil {
		return "", err
	}
	return s.URL() + prefix + "/console/staff.html#admin=" + url.QueryEscape(token), nil
}

// ModelFromEnv returns the model whose API key is in the environment
// (OPENAI_API_KEY with OPENAI_BASE_URL and OPENAI_MODEL, or ANTHROPIC_API_KEY
// with ANTHROPIC_MODEL) together with the scripted model. Without a key it
// returns the scripted model only.
func ModelFromEnv(env func(string) string, log *slog.Logger) (*llm.Router, error) {
	cfg := llm.DefaultConfig()
	or := func(name, def string) string {
		if v := env(name); v != "" {
			return v
		}
		return def
	}
	if key := env("OPENAI_API_KEY"); key != "" || env("OPENAI_BASE_URL") != "" {
		cfg.Providers = append(cfg.Providers, llm.Provider{
			ID: "openai", Name: or("OPENAI_MODEL", "gpt-4o-mini"), Type: "openai", Endpoint: env("OPENAI_BASE_URL"),
			APIKey: llm.NewSecret(key), Model: or("OPENAI_MODEL", "gpt-4o-mini"), Vision: true,
		})
	}
	if key := env("ANTHROPIC_API_KEY"); key != "" {
		cfg.Providers = append(cfg.Providers, llm.Provider{
			ID: "anthropic", Name: or("ANTHROPIC_MODEL", "claude-sonnet-4-5"), Type: "anthropic",
			APIKey: llm.NewSecret(key), Model: or("ANTHROPIC_MODEL", "claude-sonnet-4-5"), Vision: true,
		})
	}
	cfg.Providers = append(cfg.Providers, llm.Provider{
		ID: "scripted", Name: "Scripted demo", Type: "scripted", Model: "scripted", Continue: llm.ContinuePrefix, Vision: true,
	})
	return llm.New(cfg, log)
}
