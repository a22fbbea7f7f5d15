#!/usr/bin/env bash
# scripts/compose.sh ARGUMENTS… is docker compose for docker-compose.yml, with secrets that are made at random the first time and kept in
# .cache/compose.env: no default secret exists that could be deployed by mistake. `--profile NAME` (files, mail, watch, traces, or all) also gives pods
# the settings for the services of the profile, unless the environment has them: a bucket or a mail server elsewhere takes precedence. PROFILES lists
# profiles too, separated by commas or spaces. `down` ends the services of every profile.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

secrets=.cache/compose.env
mkdir -p .cache
random() { head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n'; }
# A file of an earlier version lacks some.
for name in JWT_SECRET ENCRYPTION_KEY REDIS_PASSWORD MONGO_KEY MONGO_ADMIN_PASSWORD MONGO_PASSWORD MINIO_ADMIN_PASSWORD MINIO_PASSWORD MAIL_PASSWORD GRAFANA_PASSWORD; do
	grep -qs "^$name=" "$secrets" || (umask 077 && printf '%s\n' "$name=$(random)" >>"$secrets")
done
CHATBOX_VERSION=${CHATBOX_VERSION:-$(git describe --always --dirty 2>/dev/null || echo dev)}
export CHATBOX_VERSION

kept() { sed -n "s/^$1=//p" "$secrets"; }
every=(files mail watch traces)
IFS=', ' read -ra profiles <<<"${PROFILES:-} ${COMPOSE_PROFILES:-}"
arguments=()
while [ $# -gt 0 ]; do
	case $1 in
	--profile) profiles+=("${2:?--profile needs a name}") && shift ;;
	--profile=*) profiles+=("${1#*=}") ;;
	down) profiles+=(all) arguments+=("$1") ;;
	*) arguments+=("$1") ;;
	esac
	shift
done
[[ " ${profiles[*]} " != *' all '* ]] || profiles=("${every[@]}")

# given NAME VALUE sets a variable unless the environment has it.
given() { [ -n "${!1:-}" ] || export "$1=$2"; }
given MONGO_URI "mongodb://chatbox:$(kept MONGO_PASSWORD)@mongo:27017/?replicaSet=rs0&authSource=admin"
for profile in "${profiles[@]}"; do
	case $profile in
	files)
		given FILES_URL 's3://chatbox?endpoint=http://minio:9000&region=us-east-1'
		# The key of a bucket elsewhere is not for this one.
		if [[ $FILES_URL == *//minio:9000* ]]; then
			AWS_ACCESS_KEY_ID=chatbox
			AWS_SECRET_ACCESS_KEY=$(kept MINIO_PASSWORD)
			export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
		fi
		;;
	mail)
		if [ -z "${SMTP_HOST:-}" ]; then export SMTP_HOST=mail SMTP_PORT=1025 SMTP_TLS=off; fi
		given EMAIL_FROM 'Chatbox <chatbox@chatbox.invalid>'
		given ADMIN_EMAILS support@chatbox.invalid
		;;
	watch) ;;
	traces) given OTEL_EXPORTER_OTLP_ENDPOINT http://collector:4318 ;;
	*) echo "compose.sh: no profile $profile; there are ${every[*]} and all" >&2 && exit 2 ;;
	esac
done
COMPOSE_PROFILES=$(IFS=, && echo "${profiles[*]}")
export COMPOSE_PROFILES

if docker compose version >/dev/null 2>&1; then
	exec docker compose --env-file "$secrets" "${arguments[@]}"
fi
exec docker-compose --env-file "$secrets" "${arguments[@]}"
