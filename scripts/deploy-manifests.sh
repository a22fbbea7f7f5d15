#!/usr/bin/env bash
# scripts/deploy-manifests.sh [--check] writes the generated files of deploy/k8s from the chart, whose defaults they are, and the chart's copy of
# deploy/prometheus/rules.yaml. With --check it writes nothing and fails if a file is not current. deploy/k8s/kustomization.yaml is written by hand.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

chart=deploy/helm/chatbox
objects=(deployment service serviceaccount pdb hpa networkpolicy)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
helm=$(scripts/tool.sh helm)

# render FOLDER OPTION… A helm that is built from its module alone takes Kubernetes for an old version.
render() {
	local folder=$1
	shift
	"$helm" template chatbox "$chart" --namespace chatbox --kube-version 1.30.0 --output-dir "$work/$folder" "$@" >/dev/null
}
render with-prefix
# kustomization.yaml puts the prefix in front of paths.
render plain --set config.CHATBOX_PATH_PREFIX=/

header="# Written by \`make deploy-manifests\` from $chart: change that."
new=$work/k8s
mkdir "$new"
for object in "${objects[@]}"; do
	# kustomize renames the ConfigMap when a setting changes, so the pods need no checksum of it.
	{ echo "$header" && sed -e '1,2d' -e '/# A changed setting is a rollout/d' -e '/checksum\/config:/d' "$work/plain/chatbox/templates/$object.yaml"; } >"$new/$object.yaml"
done
{
	echo '# Settings that are not secret, as the chart has them by default (make deploy-manifests). Change them in an overlay or in your own copy of this folder.'
	echo '# Names and defaults: docs/operations/config.md. SHUTDOWN_TIMEOUT and the preStop stay below terminationGracePeriodSeconds of deployment.yaml.'
	sed -nE 's/^  ([A-Z][A-Z0-9_]*): "(.*)"$/\1=\2/p' "$work/with-prefix/chatbox/templates/configmap.yaml"
} >"$new/config.env"

stale=()
# put NEW OLD replaces a file, or only notes that it differs.
put() {
	cmp -s "$1" "$2" && return
	stale+=("$2")
	if [ "${check:-}" ]; then
		diff -u "$2" "$1" || true
	else
		cp "$1" "$2"
	fi
}
[ "${1:-}" != --check ] || check=1
for file in "$new"/*; do put "$file" "deploy/k8s/${file##*/}"; done
[ ! -f deploy/prometheus/rules.yaml ] || put deploy/prometheus/rules.yaml "$chart/files/rules.yaml"

[ ${#stale[@]} -gt 0 ] || exit 0
[ -z "${check:-}" ] || die "not current (make deploy-manifests): ${stale[*]}"
say "written: ${stale[*]}"
