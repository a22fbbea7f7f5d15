# What the servers need. Every artefact is made in a temporary place and renamed when complete: a build that was interrupted leaves nothing
# that looks finished. Sourced by servers.sh.
# shellcheck shell=bash

ferretdb_version=v2.7.0
ferretdb=$cache/ferretdb-$ferretdb_version
chroot_dir=$cache/documentdb-pg18
# The probe's name carries the hash of its source, so an older checkout's is never taken for this one's.
probe=$cache/probe-$(cat "$here"/servers/probe/* | sha256sum | cut -c1-12)

# install_for NAME… ; one at a time per machine.
install_for() {
	case " $* " in
	*" mongo "*)
		apt_install redis-server debootstrap
		alone servers install_mongo
		;;
	*) apt_install redis-server ;;
	esac
}

# Two waits, one mostly of the network and one of the processor: together.
install_mongo() {
	build_ferretdb &
	local compiling=$! rc=0
	build_chroot || rc=1
	wait "$compiling" || rc=1
	[ $rc -eq 0 ] && build_probe
}

# debian_mirror is the archive that apt on this machine uses, in apt's own reading of its sources.
debian_mirror() {
	# shellcheck disable=SC2016 # apt's variable, not ours
	apt-get indextargets --format '$(REPO_URI)' | sort -u | grep -E '^https?://.*/debian/?$' | head -n 1
}

# build_chroot makes a small Debian sid with PostgreSQL 18 and the DocumentDB extension: only sid has the packages, and their C library is
# newer than this system's.
build_chroot() {
	[ ! -d "$chroot_dir" ] || return 0
	local tmp=$cache/tmp.chroot log=$cache/debootstrap.log mirror
	mirror=$(debian_mirror)
	[ -n "$mirror" ] || die "apt's sources name no Debian archive"
	say "debootstrap of Debian sid with postgresql-18-documentdb (about 1.5 minutes, once)"
	# Killed in the middle, debootstrap leaves /proc mounted in there.
	umount "$tmp/proc" 2>/dev/null || true
	rm -rf --one-file-system "$tmp"
	if ! debootstrap --variant=minbase --include=postgresql-18,postgresql-18-documentdb sid "$tmp" "$mirror" >"$log" 2>&1 </dev/null; then
		tail -n 20 "$log" "$tmp/debootstrap/debootstrap.log" >&2
		die "debootstrap failed"
	fi
	rm -rf "$tmp"/var/cache/apt/* "$tmp"/var/lib/apt/lists/* "$tmp/usr/share/doc"
	mv "$tmp" "$chroot_dir"
}

build_ferretdb() {
	[ ! -x "$ferretdb" ] || return 0
	local tmp=$cache/tmp.ferretdb
	say "building FerretDB $ferretdb_version (about a minute, once)"
	rm -rf "$tmp"
	# From / and without workspace: the versions must be FerretDB's own choice, not this module's.
	(cd / && GOFLAGS='' GOWORK=off GOBIN=$tmp go install "github.com/FerretDB/FerretDB/v2/cmd/ferretdb@$ferretdb_version") >&2
	mv "$tmp/ferretdb" "$ferretdb"
}

build_probe() {
	[ ! -x "$probe" ] || return 0
	(cd "$here/servers/probe" && GOWORK=off go build -o "$cache/tmp.probe" .) >&2
	mv "$cache/tmp.probe" "$probe"
}
