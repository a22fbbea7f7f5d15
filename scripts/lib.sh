# Shared by the scripts: messages, the cache outside the work tree, Debian packages. Sourced, not run.
# shellcheck shell=bash

# A fresh clone finds here what took minutes to make. Whatever lies in it is complete: see each builder.
cache=${CHATBOX_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/chatbox}

say() { echo "${0##*/}: $*" >&2; }
die() {
	say "$*"
	exit 1
}

# secret prints 32 random bytes as 64 hexadecimal digits.
secret() { head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

# alone NAME COMMAND… runs it while nobody else on this machine runs one under the same NAME.
alone() {
	mkdir -p "$cache"
	local lock=$1
	shift
	(
		flock 9
		"$@"
	) 9>"$cache/$lock.lock"
}

have_package() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

# apt_install PACKAGE… installs those that are missing; says what to do, and fails, where it cannot.
apt_install() {
	local missing=() package
	for package in "$@"; do
		have_package "$package" || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		say "needs: apt-get install ${missing[*]} (not done here: not root, or no apt)"
		return 1
	fi
	alone apt apt_fetch "${missing[@]}"
}

# RUNLEVEL=1 keeps a package from starting its own daemon on its usual port.
apt_fetch() {
	local apt=(env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -o DPkg::Lock::Timeout=300 -qq) log=$cache/apt.log
	say "apt-get install $*"
	if [ -z "${APT_UPDATED:-}" ]; then
		# A third party's source that is down must not stop us; if Debian's own is, the install says so.
		"${apt[@]}" update >"$log" 2>&1 </dev/null || say "apt-get update complains (see $log); trying on"
	fi
	"${apt[@]}" install -y --no-install-recommends "$@" >"$log" 2>&1 </dev/null && return
	tail -n 20 "$log" >&2
	say "apt-get install failed: $*"
	return 1
}

# together FUNCTION… runs them at once, waits for all, and fails if one does. A script that uses it ends what still runs: trap end_running EXIT.
running=()
together() {
	local act failed=0
	for act in "$@"; do
		"$act" &
		running+=($!)
	done
	while [ ${#running[@]} -gt 0 ]; do
		wait "${running[0]}" || failed=1
		running=("${running[@]:1}")
	done
	return $failed
}
end_running() { [ ${#running[@]} -eq 0 ] || kill "${running[@]}" 2>/dev/null || true; }
