package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLoad_VariablesThatLookLikeOurs(t *testing.T) {
	for name, meant := range map[string]string{
		"RATE_LIMITS": "RATE_LIMIT", "JWT_SECERT": "JWT_SECRET", "JTW_SECRET": "JWT_SECRET", "JWTSECRET": "JWT_SECRET", "JWT_SECRETS": "JWT_SECRET",
		"JWT_SECRE": "JWT_SECRET", "RATELIMIT": "RATE_LIMIT", "RATE_LIMT": "RATE_LIMIT", "ENCRYPTION_KYE": "ENCRYPTION_KEY", "ENCRYPTON_KEYS": "ENCRYPTION_KEYS",
		"WS_ALLOWED_ORIGIN": "WS_ALLOWED_ORIGINS", "WS_ALLOWD_ORIGINS": "WS_ALLOWED_ORIGINS", "MAX_CONNECTION": "MAX_CONNECTIONS",
		"MAX_CONNECTIONS_PER_USERS": "MAX_CONNECTIONS_PER_USER", "SHUTDOWN_TIMOUT": "SHUTDOWN_TIMEOUT", "TRUSTED_PROXY": "TRUSTED_PROXIES",
		"LLM_PROVIDER_1_MODLE":   "LLM_PROVIDER_1_MODEL", //nolint:misspell // that is the point
		"LLM_PROVIDER_12_APIKEY": "LLM_PROVIDER_12_API_KEY", "LLM_PROVIDERS_1_ID": "LLM_PROVIDER_1_ID",
		"LLM_PROVIDER2_TYPE": "LLM_PROVIDER_2_TYPE", "LLM_STREAM_TIMEOUTS": "LLM_STREAM_TIMEOUT", "LLM_SYSTEM_PROMT": "LLM_SYSTEM_PROMPT",
		"CHATBOX_PATH_PREFX": "CHATBOX_PATH_PREFIX", "CHATBOX_ENVIRONMENT": "", "CHATBOX_RATE_LIMIT": "", "CHATBOX_PORT": "", "CHATBOX_LOG_LEVEL": "",
		"jwt_secret": "JWT_SECRET", "Rate_Limit": "RATE_LIMIT", "jwt-secret": "JWT_SECRET", "REDIS_URLS": "REDIS_URL", "MONGO_URIS": "MONGO_URI",
		"JWT_SECRET_FILES": "JWT_SECRET_FILE", "RATE_LIMIT_FILE": "RATE_LIMIT", "LISTEN_ADDRESS": "", "LLM_PROVIDER_ONE_ID": "", "LLM_PROVIDER_0_ID": "",
		"SERVER_PROT": "SERVER_PORT", "SMPT_HOST": "SMTP_HOST", "ADMIN_EMAIL": "ADMIN_EMAILS", "DRAIN_WINDOWS": "DRAIN_WINDOW", "POD__ID": "POD_ID",
	} {
		if name == "LISTEN_ADDRESS" { // an accepted word for the same thing elsewhere, and four letters away
			continue
		}
		t.Run(name, func(t *testing.T) {
			const value = "kept-out-of-every-fault"
			_, err := Load(settings(name+"="+value), "")
			require.Error(t, err)
			assert.NotContains(t, err.Error(), value)
			line := ""
			for l := range strings.SplitSeq(err.Error(), "\n") {
				if strings.HasPrefix(l, name+": ") {
					line = l
				}
			}
			assert.Contains(t, line, "is not a known variable", err)
			assert.Contains(t, line, meant)
			assert.Contains(t, line, "CHATBOX_UNKNOWN_VARIABLES=allow")

			c, err := Load(settings(name+"="+value, "CHATBOX_UNKNOWN_VARIABLES=allow"), "")
			require.NoError(t, err)
			require.Len(t, c.Warnings, 1)
			assert.Contains(t, c.Warnings[0], name+" is set and has no effect")
			assert.NotContains(t, c.Warnings[0], value)
		})
	}
}

func TestLoad_OtherProgramsNames(t *testing.T) {
	for name, ours := range map[string]string{"MONGO_URL": "MONGO_URI", "MONGODB_URI": "MONGO_URI", "REDIS_URI": "REDIS_URL"} {
		_, err := Load(settings(name+"=x"), "")
		require.NoError(t, err, "%s is another program's while %s is set", name, ours)
		_, err = Load(settings(name+"=x", ours+"="), "")
		require.ErrorContains(t, err, name+": is not a known variable")
	}
}

// TestLoad_OrdinaryEnvironments: variables that shells, orchestrators, platforms and other programs set are no faults.
func TestLoad_OrdinaryEnvironments(t *testing.T) {
	for what, environ := range map[string]string{
		"shell": `PATH=/bin HOME=/root USER=me LOGNAME=me SHELL=/bin/sh TERM=xterm LANG=C.UTF-8 LC_ALL=C PWD=/ OLDPWD=/ SHLVL=1 _=/bin/env TZ=UTC HOSTNAME=h EDITOR=vi
			XDG_CACHE_HOME=/c XDG_RUNTIME_DIR=/r SSH_AUTH_SOCK=/s SSH_CONNECTION=1 DBUS_SESSION_BUS_ADDRESS=x DISPLAY=:0 MAIL=/var/mail/me LS_COLORS=x PAGER=less
			http_proxy=http://p:1 https_proxy=http://p:1 no_proxy=localhost HTTP_PROXY=http://p:1 NO_PROXY=x TMPDIR=/tmp COLUMNS=80 HISTSIZE=9 PS1=x`,
		"go":      `GOPATH=/go GOFLAGS=-mod=mod GOPROXY=off GOMEMLIMIT=900MiB GOGC=60 GODEBUG=x GOMAXPROCS=2 GOROOT=/g GOTRACEBACK=all CGO_ENABLED=0 SSL_CERT_FILE=/c SSL_CERT_DIR=/d`,
		"systemd": `INVOCATION_ID=x JOURNAL_STREAM=8:1 NOTIFY_SOCKET=/run/x SYSTEMD_EXEC_PID=1 LISTEN_FDS=1 LISTEN_PID=1 LISTEN_FDNAMES=x WATCHDOG_USEC=1 STATE_DIRECTORY=/v`,
		"kubernetes": `KUBERNETES_SERVICE_HOST=10.0.0.1 KUBERNETES_PORT=tcp://10.0.0.1:443 KUBERNETES_PORT_443_TCP=tcp://10.0.0.1:443 KUBERNETES_PORT_443_TCP_PROTO=tcp
			REDIS_PORT=tcp://10.0.0.2:6379 REDIS_SERVICE_HOST=10.0.0.2 REDIS_SERVICE_PORT=6379 REDIS_SERVICE_PORT_CLIENT=6379 REDIS_PORT_6379_TCP=tcp://10.0.0.2:6379
			REDIS_PORT_6379_TCP_ADDR=10.0.0.2 REDIS_PORT_6379_TCP_PORT=6379 MONGO_SERVICE_HOST=10.0.0.3 MONGO_PORT_27017_TCP=tcp://10.0.0.3:27017 MONGO_PORT=tcp://10.0.0.3:27017
			CHATBOX_SERVICE_HOST=10.0.0.4 CHATBOX_SERVICE_PORT=80 CHATBOX_SERVICE_PORT_HTTP=80 CHATBOX_PORT=tcp://10.0.0.4:80 CHATBOX_PORT_80_TCP=tcp://10.0.0.4:80
			CHATBOX_PORT_80_TCP_PROTO=tcp CHATBOX_REDIS_SERVICE_HOST=10.0.0.5 CHATBOX_REDIS_PORT_6379_TCP_ADDR=10.0.0.5 JWT_SERVICE_HOST=1.1.1.1 LLM_PROVIDER_SERVICE_HOST=10.0.0.6
			LLM_PROVIDER_PORT_80_TCP=tcp://10.0.0.6:80 POD_IP=10.1.1.1 POD_NAME=a POD_UID=u POD_NAMESPACE=n POD_IPS=10.1.1.1 NODE_NAME=n NODE_IP=1.1.1.1 HOST_IP=1.1.1.1`,
		"services named like settings": `SMTP_PORT=tcp://10.0.0.7:25 SERVER_PORT=tcp://10.0.0.8:80 SMTP_SERVICE_HOST=10.0.0.7 SMTP_PORT_25_TCP=tcp://10.0.0.7:25 RATE_LIMIT_SERVICE_PORT=1`,
		"observability": `OTEL_EXPORTER_OTLP_ENDPOINT=http://o:4318 OTEL_SERVICE_NAME=chatbox OTEL_RESOURCE_ATTRIBUTES=a=b DD_ENV=prod DD_AGENT_HOST=h SENTRY_DSN=x NEW_RELIC_LICENSE_KEY=x
			LOG_FILE=/l LOG_DIR=/l LOG_PATH=/l LOGLEVEL=x LOG_OUTPUT=x LOGGING_LEVEL_ROOT=INFO LOG_COLOR=1 RUST_LOG=info`,
		"platforms": `PORT=80 DYNO=web.1 DATABASE_URL=postgres://x REDIS_TLS_URL=rediss://x REDISHOST=h REDISPORT=1 MONGOHOST=h MONGO_URL=mongodb://x MONGODB_URI=mongodb://x FLY_APP_NAME=a
			RAILWAY_ENVIRONMENT=p RENDER=1 AWS_REGION=x AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x ECS_CONTAINER_METADATA_URI=x GOOGLE_APPLICATION_CREDENTIALS=/g AZURE_CLIENT_ID=x K_SERVICE=x`,
		"continuous integration": `CI=true GITHUB_ACTIONS=true GITHUB_TOKEN=x GITHUB_REF=x RUNNER_OS=Linux GITLAB_CI=true CI_JOB_ID=1 CI_SERVER_PORT=443 CI_SERVER_HOST=x BUILD_NUMBER=1 JENKINS_URL=x`,
		"other programs": `REDIS_HOST=h REDIS_PASSWORD=x REDIS_DB=0 MONGO_INITDB_ROOT_USERNAME=x MONGO_USER=x MONGO_PASSWORD=x SERVER_HOST=h SERVER_NAME=n HTTP_PORT=1 HTTPS_PORT=1 SMTP_FROM=x
			SMTP_SSL=1 SMTP_USERNAME=x SMTP_PASSWORD=x MAIL_FROM=x MAIL_HOST=x EMAIL_HOST=x SNS_TOKEN=x AWS_TOKEN=x GCM_TOKEN=x SESSION_SECRET=x SECRET_KEY=x API_KEY=x OPENAI_API_KEY=x
			ANTHROPIC_API_KEY=x OPENAI_BASE_URL=x FILE_SIZE=1 MIN_CONNECTIONS=1 DB_PORT=1 CLUSTER_ID=x NODE_ID=x APP_ENV=x NODE_ENV=production ALLOWED_ORIGINS=x CORS_ORIGINS=x
			WEBHOOK_PORT=1 TWILIO_AUTH_TOKEN=x FTP_HOST=x IMAP_HOST=x IMAP_PORT=1 SUPPORT_EMAIL=x ADMIN_USER=x ADMIN_PASSWORD=x EMAIL_TO=x SMS_PROVIDER=x HELM_NAMESPACE=x NVM_DIR=/n`,
		"this repository": `CHATBOX_TEST_REDIS_URL=redis://x CHATBOX_TEST_MONGO_URI=x CHATBOX_TEST_ANYTHING=1 CHATBOX_CACHE=/c CHATBOX_OUT=/o CHATBOX_VERSION=v1 SERVERS_STATE=/s SERVERS_LOGS=/l FAULT=short
			FUZZTIME=1s CHAOS_SEED=1 TAKEOVERS=1 RACES=1 UPDATE_DOCS=1`,
		"nothing": `RATE_LIMITS= JWT_SECERT=`,
	} {
		t.Run(what, func(t *testing.T) {
			c, err := Load(settings(strings.Fields(environ)...), "")
			require.NoError(t, err)
			assert.Empty(t, c.Warnings)
			assert.Equal(t, ":8080", c.HTTP.Listen)
		})
	}
}

func TestSlip_NoSettingIsASlipForAnother(t *testing.T) {
	known := newNames()
	for name := range known.settings {
		assert.True(t, known.has(name))
	}
	assert.True(t, known.has("LLM_PROVIDER_17_API_KEY_FILE"))
	assert.False(t, known.has("LLM_PROVIDER_17_ID_FILE"))
}
