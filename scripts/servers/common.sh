# Ports, and processes that are known by pid and start time. Sourced by servers.sh.
# shellcheck shell=bash
# shellcheck disable=SC2154 # state is set by servers.sh

# free_port [TAKEN…] prints a loopback port nobody listens on. The range lies below the kernel's ephemeral one (32768 up): a server that is
# down for a moment must find its port free again, whatever outgoing connections were made meanwhile.
free_port() {
	local port tries
	for ((tries = 0; tries < 200; tries++)); do
		port=$((20000 + RANDOM % 12000))
		if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
			echo "$port"
			return
		fi
	done
	die "no free port between 20000 and 32000"
}

# port_of NAME is the port this instance gave NAME, for as long as the instance lives.
port_of() {
	[ -e "$state/$1.port" ] || free_port >"$state/$1.port"
	cat "$state/$1.port"
}

# started PID prints the process's start time, which with the pid names a process for good: pids are used again.
# A zombie counts as gone: it holds no port and no file.
started() {
	local line
	read -r line 2>/dev/null <"/proc/$1/stat" || return 1
	line=${line##*) }
	# shellcheck disable=SC2086 # split on purpose: field 20 after the name is the start time
	set -- $line
	[ "$1" != Z ] || return 1
	echo "${20}"
}

# launch NAME COMMAND… starts it in its own session, output in NAME.log, and records it.
launch() {
	local name=$1
	shift
	setsid "$@" >>"$state/$name.log" 2>&1 </dev/null &
	echo "$! $(started $!)" >"$state/$name.pid"
}

recorded() { cut -d' ' -f1 "$state/$1.pid" 2>/dev/null || true; }

alive() {
	local pid since
	read -r pid since 2>/dev/null <"$state/$1.pid" || return 1
	[ "$(started "$pid")" = "$since" ]
}

# signal SIG NAME; no process, no error.
signal() {
	if alive "$2"; then kill "-$1" "$(recorded "$2")" 2>/dev/null || true; fi
}

# gone NAME waits until it has ended, and insists after 20 s.
gone() {
	local i
	for ((i = 0; i < 400; i++)); do
		alive "$1" || return 0
		sleep 0.05
	done
	say "$1 does not end by itself"
	signal KILL "$1"
	sleep 0.2
}

# children PID prints the pids of its children. Read from /proc: pgrep is not on every machine.
children() {
	local stat line parent=$1
	for stat in /proc/[0-9]*/stat; do
		read -r line 2>/dev/null <"$stat" || continue
		# shellcheck disable=SC2086
		set -- ${line##*) }
		[ "$2" != "$parent" ] || { stat=${stat#/proc/} && echo "${stat%/stat}"; }
	done
}

# serving NAME CHECK… repeats the check for up to 60 s; ends at once, with the log, when the process has died.
serving() {
	local name=$1 i
	shift
	for ((i = 0; i < 600; i++)); do
		if "$@" >/dev/null 2>&1; then return; fi
		if ! alive "$name"; then
			tail -n 20 "$state/$name.log" >&2
			die "$name ended while starting"
		fi
		sleep 0.1
	done
	tail -n 20 "$state/$name.log" >&2
	die "$name does not serve after 60 s"
}
