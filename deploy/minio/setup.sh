#!/bin/sh
# The service minio-setup of docker-compose.yml: the bucket `chatbox`, and a user who may read, write and list it and nothing else. Repeats are harmless.
set -eu

: "${MINIO_ADMIN_PASSWORD:?}" "${MINIO_USER:?}" "${MINIO_PASSWORD:?}"
export MC_CONFIG_DIR=/tmp/mc
mc alias set chatbox http://minio:9000 chatbox-admin "$MINIO_ADMIN_PASSWORD" >/dev/null
mc mb --ignore-existing chatbox/chatbox
mc admin user add chatbox "$MINIO_USER" "$MINIO_PASSWORD" >/dev/null
mc admin policy create chatbox chatbox-files /etc/chatbox/policy.json
# It fails if the user has the policy already. The image has no grep.
mc admin policy attach chatbox chatbox-files --user "$MINIO_USER" || case $(mc admin user info chatbox "$MINIO_USER") in
*chatbox-files*) ;;
*) exit 1 ;;
esac
