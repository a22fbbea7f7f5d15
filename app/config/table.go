package config

import (
	"errors"
	"time"

	"chatbox"
)

// The keys of the history. loadKeys reads both variables together, since one of
// them is sufficient.
const (
	keyVariable  = "ENCRYPTION_KEY"
	keysVariable = "ENCRYPTION_KEYS"
)

// The variables that configure the verification of tokens. At least one is
// required.
const (
	jwtSecretVariable = "JWT_SECRET"
	jwksVariable      = "JWT_JWKS_URL"
)

// variable is one setting: its name, default, documentation and the function that
// stores its value. Help, documentation and loading all use it.
type variable struct {
	name     string
	def      string
	doc      string
	required bool
	secret   bool // may come from a file named by NAME_FILE
	set      func(string) error

	alias    string
	setAlias func(string) error
}

// variables is the table of all settings except those of the models. Loading
// stores the values in c.
func variables(c *Config) []variable {
	all := httpVariables(c)
	all = append(all, tokenVariables(c)...)
	all = append(all, storeVariables(c)...)
	all = append(all, redisVariables(c)...)
	all = append(all, modelVariables(c)...)
	all = append(all, notifyVariables(c)...)
	all = append(all, supportVariables(c)...)
	all = append(all, fileVariables(c)...)
	all = append(all, voiceVariables(c)...)
	return append(all, boundVariables(c)...)
}

func httpVariables(c *Config) []variable {
	h := &c.HTTP
	return []variable{
		{
			name: "LISTEN_ADDR", def: ":8080", doc: "Address to listen on, host:port. SERVER_PORT sets the port alone, unless LISTEN_ADDR is set too.",
			set: address(&h.Listen), alias: "SERVER_PORT", setAlias: port(&h.Listen),
		},
		{
			name: "CHATBOX_ENV", def: Production, doc: "production or development. Development accepts sockets from any origin if WS_ALLOWED_ORIGINS is empty.",
			set: oneOf(&c.Env, Production, Development),
		},
		{name: configVariable, doc: "A .toml or .yaml file of settings. The option --config does the same and takes precedence.", set: done},
		{
			name: unknownVariable, def: "refuse", set: oneOf(new(string), "refuse", "allow"),
			doc: "refuse or allow. Whether the pod starts if the environment has unknown variables that look like settings, such as RATE_LIMITS or CHATBOX_COLOUR.",
		},
		{name: "CHATBOX_PATH_PREFIX", def: "/chatbox", doc: "Path prefix of all routes; / means no prefix.", set: prefix(&h.Prefix)},
		{
			name: "POD_ID", doc: "Name of this pod, unique in the cluster. Default: the host's name.",
			set: func(s string) error {
				if !chatbox.ValidSessionID(s) {
					return errors.New("must be 1-128 of A-Z a-z 0-9 . _ -")
				}
				c.Pod = chatbox.PodID(s)
				return nil
			},
		},
		{
			name: "WS_ALLOWED_ORIGINS", set: origins(&h.Origins.List),
			doc: "Origins of pages that may open sockets, separated by commas: scheme://host[:port], where host may begin with *. for any subdomain. Required in production.",
		},
		{name: "CORS_ALLOWED_ORIGINS", doc: "Origins of pages that may call REST, in the same form. Default: only the same origin.", set: origins(&h.CORS.List)},
		{name: "TRUSTED_PROXIES", doc: "Addresses or networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are trusted, separated by commas.", set: networks(&h.TrustedProxies)},
		{
			name: "METRICS_ALLOWED_NETWORKS", def: "127.0.0.0/8,::1/128", doc: "Addresses or networks that may read the metrics, separated by commas.",
			set: networks(&h.MetricsNetworks),
		},
		{
			name: "METRICS_ADDR", set: address(&h.Metrics),
			doc: "Address, host:port, of a listener of its own for operators: /metrics, /debug/pprof/ and /log/level. It asks for no credential, and METRICS_ALLOWED_NETWORKS does not apply to it, so only operators may reach it. " +
				"LISTEN_ADDR does not serve the metrics then. Default: LISTEN_ADDR serves them, and there are no profiles.",
		},
	}
}

func tokenVariables(c *Config) []variable {
	return []variable{
		{
			name: jwtSecretVariable, secret: true, set: strongSecret(&c.JWT.Secret, minSecret),
			doc: "Secret of tokens signed with HS256, HS384 or HS512; at least 32 bytes, random. This or JWT_JWKS_URL is required.",
		},
		{
			name: jwksVariable, set: keySetURL(&c.JWT.JWKS),
			doc: "URL (https) of the issuer's public keys (JWKS), for tokens signed with RS256, RS384, RS512, ES256, ES384, ES512 or EdDSA. Fetched every 5 minutes, and also when a token names an unknown key, at most every 5 s.",
		},
		{
			name: "JWT_ALGORITHMS", doc: "Algorithms that tokens may be signed with, separated by commas. Default: those listed at JWT_SECRET and JWT_JWKS_URL, if these are set.",
			set: someOf(&c.JWT.Algorithms, append(secretAlgorithms(), issuerAlgorithms()...)...),
		},
		{name: "JWT_ISSUER", doc: "Value that the claim iss of tokens must have. Default: iss is not checked.", set: text(&c.JWT.Issuer)},
		{name: "JWT_AUDIENCE", doc: "Value that the claim aud of tokens must have or contain. Default: aud is not checked.", set: text(&c.JWT.Audience)},
		{name: "JWT_REQUIRE_EXP", def: "on", doc: "on or off. Off accepts tokens that never expire.", set: onOff(&c.JWT.RequireExpiry)},
		{
			name: "TOKEN_MAX_LIFE", def: "2160h", set: within(&c.JWT.MaxLife, time.Minute, 10*365*day),
			doc: "How long Redis keeps a copy of the record that an admin disconnected a user. The lifetime of most tokens is enough. The history keeps the record permanently, so tokens issued before the disconnection stay refused, and so do tokens without iat.",
		},
		{name: "WS_QUERY_TOKEN", def: "on", doc: "on or off. On accepts a token in the query (?token=) when a socket is opened.", set: onOff(&c.HTTP.QueryToken)},
	}
}

// done is the set function of a variable that is read elsewhere.
func done(string) error { return nil }

func storeVariables(c *Config) []variable {
	return []variable{
		{
			name: keyVariable, secret: true, set: done,
			doc: "Key that seals the history: exactly 32 bytes as they are, or 64 hexadecimal digits, or base64 of 32 bytes. This or ENCRYPTION_KEYS is required. " +
				"Beside ENCRYPTION_KEYS it only opens what it has sealed, as the last of the list with the id default.",
		},
		{name: keysVariable, secret: true, set: done, doc: "Several keys, id:base64, separated by commas. The first key encrypts, and all keys decrypt."},
		{
			name: "MONGO_URI", required: true, secret: true, set: mongoURI(&c.Mongo.URI),
			doc: "Address of MongoDB or a compatible server: mongodb:// or mongodb+srv://. Name a replicaSet only if the server belongs to it.",
		},
		{name: "MONGO_DATABASE", def: "chat", doc: "Name of the database.", set: databaseName(&c.Mongo.Database)},
	}
}

func modelVariables(c *Config) []variable {
	l := &c.LLM
	return []variable{
		{name: "LLM_DEFAULT", doc: "ID of the model that answers if the user has chosen none. Default: the first model.", set: text(&l.Default)},
		{name: "LLM_FALLBACK", doc: "ID of the model that is asked if another model fails before its first word. Default: none.", set: text(&l.Fallback)},
		{name: "AI_DISCLOSURE", doc: "Text that tells users that a model answers. Each session has it once, before the first answer. Empty: none.", set: checked(&c.Prompt.Disclosure, chatbox.CheckDisclosure)},
		{name: "LLM_SYSTEM_PROMPT", doc: "System prompt, sent to every model before the conversation.", set: text(&c.Prompt.System)},
		{name: "LLM_STREAM_TIMEOUT", def: "120s", doc: "How long a whole answer may take.", set: within(&l.StreamTimeout, time.Second, time.Hour)},
		{name: "LLM_IDLE_TIMEOUT", def: "30s", doc: "How long a model may send nothing during an answer. LLM_PROVIDER_<n>_IDLE_TIMEOUT sets it for one model.", set: within(&l.IdleTimeout, 100*time.Millisecond, time.Hour)},
		{name: "ANSWER_MAX", def: "256KiB", doc: "Size at which an answer is cut off. Its finish is then length.", set: size(&c.Prompt.AnswerMax, 1, 512<<10)},
	}
}

func boundVariables(c *Config) []variable {
	return []variable{
		{name: "MAX_MESSAGE_SIZE", def: "256KiB", doc: "Maximum size of a client's frame. A larger frame closes the socket with 1009.", set: size64(&c.Limits.Frame, 1024, 16<<20)},
		{name: "RATE_LIMIT", def: "100", doc: "Messages of one user per minute, in the whole cluster.", set: number(&c.Limits.RatePerMinute, 1)},
		{name: "HELP_RATE_LIMIT", def: "5", doc: "Requests for help of one user per minute, in the whole cluster.", set: number(&c.Limits.HelpPerMinute, 1)},
		{
			name: "REST_RATE_LIMIT", def: "600", set: number(&c.Limits.RESTPerMinute, 1),
			doc: "REST requests of one user per minute, in the whole cluster. While Redis is unavailable, each pod counts separately.",
		},
		{name: "ADMIN_RATE_LIMIT", def: "1200", doc: "REST requests of one member of staff per minute, counted in the same way.", set: number(&c.Limits.AdminPerMinute, 1)},
		{name: "MAX_CONNECTIONS", def: "20000", doc: "Maximum number of sockets of this pod.", set: number(&c.Limits.Connections, 1)},
		{
			name: "MAX_UNAUTHENTICATED", def: "4096", set: number(&c.Limits.Unknown, 1),
			doc: "Maximum number of TCP connections of this pod without a valid credential. At the limit, the pod closes one that has waited for a second or longer. If there is none, it refuses the new connection.",
		},
		{
			name: "MAX_UNAUTHENTICATED_PER_ADDRESS", def: "128", set: number(&c.Limits.UnknownPerAddress, 1),
			doc: "The same limit for one address (for IPv6: one /64 network). Connections from loopback and TRUSTED_PROXIES do not count. Their requests count for the forwarded address.",
		},
		{name: "MAX_CONNECTIONS_PER_USER", def: "10", doc: "Maximum number of sockets of one user, in the whole cluster.", set: number(&c.Limits.ConnectionsPerUser, 1)},
		{
			name: "SHED_ABOVE", def: "100", set: number(&c.Limits.ShedAbove, 0),
			doc: "Number of sockets from which a pod with over 25 % more sockets than the average pod sends clients to other pods. 0 turns this off.",
		},
		{
			name: "POD_DELETION_COST", def: "off", set: onOff(&c.DeletionCost),
			doc: "on or off. On Kubernetes, on keeps the annotation controller.kubernetes.io/pod-deletion-cost of this pod current, so that a scale-down removes a pod with few sockets and answers. POD_ID must be the name of the pod, and its service account needs a mounted token and the right to patch pods. Otherwise a warning is logged, and nothing else changes.",
		},
		{name: "SHUTDOWN_TIMEOUT", def: "30s", doc: "Maximum time from SIGTERM to the exit of the pod.", set: within(&c.Drain.Shutdown, time.Second, 12*time.Hour)},
		{name: "DRAIN_FINISH", def: "5s", doc: "How long a draining pod lets running answers finish before other pods take them over.", set: within(&c.Drain.Finish, 0, 12*time.Hour)},
		{name: "DRAIN_WINDOW", def: "10s", doc: "Time over which a draining pod sends its clients to other pods.", set: within(&c.Drain.Window, 0, 12*time.Hour)},
		{name: "RATING_REQUEST", def: "on", doc: "on or off. On asks users for a rating when a talk with a member of staff is over.", set: onOff(&c.Admin.AskRating)},
		{name: "WATCH_NOTICE", def: "off", doc: "on or off. On notifies users when staff begins to watch their session, and when the last watcher stops.", set: onOff(&c.Admin.WatchNotice)},
		{name: "ADMIN_GRACE", def: "2m", doc: "How long an admin without a socket keeps a session before it is handed back automatically.", set: within(&c.Admin.Grace, time.Second, day)},
		{
			name: "SEARCH_INDEX", def: "on", set: onOff(&c.SearchIndex),
			doc: "on or off. On lets staff search new messages by their words. Off stores no search index and refuses searches. See ADR 16.",
		},
		{name: "LOG_LEVEL", def: "info", doc: "debug, info, warn or error.", set: level(&c.Log.Level)},
		{name: "LOG_FORMAT", def: "json", doc: "json or text.", set: oneOf(&c.Log.Format, "json", "text")},
	}
}
