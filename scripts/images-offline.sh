#!/usr/bin/env bash
# scripts/images-offline.sh [NAME…] builds images of docker-compose.yml (redis, nginx, mongo, chatbox; all by default) from Debian's packages and this
# tree, under the names that the file asks for: the cluster of containers then runs on a machine that reaches no registry of images. After it:
#   MONGO_URI=mongodb://mongo:27017/ scripts/compose.sh -f docker-compose.yml -f deploy/offline/compose.yml up --detach
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"
# shellcheck source=scripts/servers/install.sh
. "$here/servers/install.sh"

# tag NAME is the image of that name, with the tag that docker-compose.yml runs.
tag() { grep -oE "image: $1:[^ ]+" docker-compose.yml | cut -d' ' -f2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The binaries and the libraries they name; nothing else of Redis is needed.
redis_image() {
	local root=$work/redis binary library
	mkdir -p "$root"/{usr/bin,data,tmp}
	for binary in redis-server redis-cli; do cp -L "$(command -v $binary)" "$root/usr/bin/"; done
	ldd "$root"/usr/bin/* | grep -oE '/[^ ]+\.so[^ ]*' | sort -u | while read -r library; do
		mkdir -p "$root${library%/*}" && cp -L "$library" "$root$library"
	done
	tar -C "$root" -c . | docker import -c 'ENV PATH=/usr/bin' -c 'WORKDIR /data' -c 'CMD ["redis-server", "--protected-mode", "no"]' - "$(tag redis)"
}

# Sid's: bookworm's nginx does not know `resolve` in an upstream.
nginx_image() {
	local root=$work/nginx
	debootstrap --variant=minbase --include=nginx-light sid "$root" "$(debian_mirror)" >"$cache/debootstrap-nginx.log" 2>&1 </dev/null
	rm -f "$root"/etc/nginx/sites-enabled/default
	tar -C "$root" -c . | docker import -c 'CMD ["nginx", "-g", "daemon off;"]' - "$(tag nginx)"
}

mongo_image() {
	tar -C "$chroot_dir" --exclude='./srv/instance.*' -c . | docker import - documentdb-base:local
	mkdir "$work/mongo"
	cp "$ferretdb" "$work/mongo/ferretdb"
	cp "$probe" "$work/mongo/probe"
	cp deploy/offline/mongo.sh "$work/mongo/"
	docker build --quiet --file deploy/offline/Dockerfile.mongo --tag "$(tag mongo)" "$work/mongo"
}

chatbox_image() { scripts/image.sh; }

[ $# -gt 0 ] || set -- redis nginx mongo chatbox
install_for redis mongo
for image in "$@"; do
	if [ "$image" = chatbox ] || ! docker image inspect "$(tag "$image")" >/dev/null 2>&1; then "${image}_image" >/dev/null; fi
done
