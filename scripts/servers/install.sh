# What the servers need, kept outside the work tree so that a fresh clone finds it again. Sourced by servers.sh.
# Every artefact is made in a temporary place and renamed when complete: a build that was interrupted leaves nothing that looks finished.
# shellcheck shell=bash

cache=${CHATBOX_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/chatbox}
ferretdb_version=v2.7.0
ferretdb=$cache/ferretdb-$ferretdb_version
chroot_dir=$cache/documentdb-pg18

# apt_install PACKAGE… installs those that are missing. RUNLEVEL=1 keeps a package from starting its own daemon on its usual port.
apt_install() {
	local missing=() package
	for package in "$@"; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" = 0 ] || die "needs: apt-get install ${missing[*]} (not root, so not done here)"
	say "apt-get install ${missing[*]}"
	local quiet=(env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -o DPkg::Lock::Timeout=300 -qq)
	# A third-party source that is down must not stop us; if Debian's own is, the install says so.
	"${quiet[@]}" update >&2 || say "apt-get update complains; trying on"
	"${quiet[@]}" install -y --no-install-recommends "${missing[@]}" >"$cache/apt.log" 2>&1 </dev/null ||
		{ tail -n 20 "$cache/apt.log" >&2 && die "apt-get install failed"; }
}

# debian_mirror is the archive that apt on this machine uses.
debian_mirror() {
	apt-get indextargets --format '$(REPO_URI)' | sort -u |
		grep -E '^https?://' | grep -E '/debian/?$' | head -n 1 | grep . || die "no Debian archive in apt's sources"
}

# build_chroot makes a small Debian sid with PostgreSQL 18 and the DocumentDB extension: only sid has the packages, and their C library is
# newer than this system's.
build_chroot() {
	[ ! -d "$chroot_dir" ] || return 0
	local tmp=$cache/tmp.chroot log=$cache/debootstrap.log
	say "debootstrap of Debian sid with postgresql-18-documentdb (about 1.5 minutes, once)"
	rm -rf "$tmp"
	debootstrap --variant=minbase --include=postgresql-18,postgresql-18-documentdb sid "$tmp" "$(debian_mirror)" >"$log" 2>&1 </dev/null ||
		{ tail -n 20 "$log" "$tmp/debootstrap/debootstrap.log" >&2; die "debootstrap failed"; }
	rm -rf "$tmp"/var/cache/apt/* "$tmp"/var/lib/apt/lists/* "$tmp/usr/share/doc"
	mv "$tmp" "$chroot_dir"
}

build_ferretdb() {
	[ ! -x "$ferretdb" ] || return 0
	local tmp=$cache/tmp.ferretdb
	say "building FerretDB $ferretdb_version (about a minute, once)"
	rm -rf "$tmp"
	# From / and without workspace: the version must be FerretDB's own choice, not this module's.
	(cd / && GOFLAGS='' GOWORK=off GOBIN=$tmp go install "github.com/FerretDB/FerretDB/v2/cmd/ferretdb@$ferretdb_version") >&2
	mv "$tmp/ferretdb" "$ferretdb"
	rm -rf "$tmp"
}

# build_probe compiles the readiness check; its name carries the hash of its source.
build_probe() {
	local sum
	sum=$(cat "$here"/servers/probe/* | sha256sum | cut -c1-12)
	probe=$cache/probe-$sum
	[ ! -x "$probe" ] || return 0
	rm -f "$cache"/probe-*
	(cd "$here/servers/probe" && GOWORK=off go build -o "$cache/tmp.probe" .) >&2
	mv "$cache/tmp.probe" "$probe"
}

# install_for NAME… ; one at a time per machine.
install_for() {
	mkdir -p "$cache"
	exec 9>"$cache/lock"
	flock 9
	case " $* " in
	*" mongo "*)
		apt_install redis-server debootstrap
		# Two waits, one of the network and one of the processor: together.
		build_ferretdb &
		local compiling=$!
		build_chroot || { wait "$compiling"; exit 1; }
		wait "$compiling" || die "FerretDB did not build"
		build_probe
		;;
	*) apt_install redis-server ;;
	esac
	exec 9>&-
}
