#!/usr/bin/env bash
# Puts up a cluster on this machine with one command, and shows that it works: installs the
# packages, builds a release, starts berthd and two agents on a Unix socket in a temporary folder,
# each with half of the machine, runs the transcript of README.md and checks what it prints, and
# takes everything down again.
#
# Usage: tools/quickstart.sh [--keep]
#        tools/quickstart.sh --stop /tmp/berth-XXXX
#   --keep       leaves a fresh cluster up, and says how to use it and how to stop it
#   --stop DIR   ends what a run with --keep left, with all that runs in it, and removes it
# Runs as root, or as somebody who may use sudo: agents need root to give tasks limits.
# With BERTH_BUILD_DIR set it installs and builds nothing, and takes the programs from there.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

nodes=(node-a node-b)
dir=                   # the cluster's folder, while there is one
step='the beginning'   # what is being done, for the message when it fails

say() { printf '\n==> %s\n' "$1"; }
fail() {
  printf '\nquickstart: %s failed: %s\n' "$step" "$1" >&2
  exit 1
}
usage() { awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$root/tools/quickstart.sh"; }

# Agents run as root. What we build belongs to whoever called us, also through sudo.
as_root=() as_caller=()
if [ "$(id -u)" -ne 0 ]; then
  as_root=(sudo)
elif [ -n "${SUDO_UID-}" ] && [ "$SUDO_UID" -ne 0 ]; then
  as_caller=(sudo -u "#$SUDO_UID")
fi

# ---- one cluster: up and down ------------------------------------------------------------------

# Daemons and shims of this cluster: our programs with its folder in their command line.
daemons_of() {
  local proc words
  for proc in /proc/[0-9]*; do
    words=()
    { mapfile -d '' words <"$proc/cmdline"; } 2>/dev/null || continue
    case ${words[0]-} in
      */berthd | */berth-agent | */berth-shim)
        [[ "${words[*]}" != *" $1/"* ]] || echo "${proc#/proc/}"
        ;;
    esac
  done
}

# The cgroups of its tasks in every hierarchy, the deepest first.
cgroups_of() {
  local name
  name=$(basename "$1")
  find /sys/fs/cgroup -depth -type d \( -path "*/$name" -o -path "*/$name/*" \) 2>/dev/null || true
}

tasks_of() {
  local cgroup
  cgroups_of "$1" | while IFS= read -r cgroup; do cat "$cgroup/cgroup.procs" 2>/dev/null; done |
    sort -u
}

# wait_until SECONDS COMMAND...: until it succeeds; false when the time is over.
wait_until() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.1
  done
}

no_daemons() { [ -z "$(daemons_of "$1")" ]; }
no_tasks() { [ -z "$(tasks_of "$1")" ]; }
no_cgroups() {
  local cgroup
  cgroups_of "$1" | while IFS= read -r cgroup; do
    "${as_root[@]}" rmdir "$cgroup" 2>/dev/null || true
  done
  [ -z "$(cgroups_of "$1")" ]
}

# pids of a list may end before they are sent a signal.
signal_all() {
  local number=$1 list
  list=$("$2" "$3")
  [ -z "$list" ] || "${as_root[@]}" kill "-$number" $list 2>/dev/null || true
}

# Ends everything of the cluster in $1 and removes it. Says what would not go.
take_down() {
  local status=0
  signal_all TERM daemons_of "$1"
  # Tasks outlive their agents, and their shims hold them: the tasks go first.
  signal_all KILL tasks_of "$1"
  wait_until 10 no_daemons "$1" || signal_all KILL daemons_of "$1"
  signal_all KILL tasks_of "$1"
  wait_until 10 no_daemons "$1" || { daemons_of "$1"; status=1; }
  wait_until 10 no_tasks "$1" || { tasks_of "$1"; status=1; }
  wait_until 10 no_cgroups "$1" || { cgroups_of "$1"; status=1; }
  "${as_root[@]}" rm -rf "$1"
  return $status
}

# A folder that --keep made: not just any that somebody names.
is_ours() { [[ $1 == */berth-* ]] && [ -f "$1/berthd.yaml" ] && [ -f "$1/node-a.yaml" ]; }

# Half of this machine, the memory rounded down to what reads well.
half_of_cpus() { awk -v n="$(nproc)" 'BEGIN { printf "%dm", n * 500 }'; }
half_of_memory() {
  awk '/^MemTotal:/ { half = $2 / 2048
    if (half >= 2048) printf "%dGi", half / 1024; else printf "%dMi", half }' /proc/meminfo
}

# Whether root can make cgroups with the limits that tasks get.
have_cgroups() {
  local place=/sys/fs/cgroup probe
  [ -f $place/cgroup.controllers ] && grep -qw memory $place/cgroup.controllers || place=$place/memory
  probe=$place/$(basename "$1")-probe
  "${as_root[@]}" mkdir "$probe" 2>/dev/null && "${as_root[@]}" rmdir "$probe"
}

write_configs() {
  local node isolation=auto
  if ! have_cgroups "$dir"; then
    isolation=none
    printf 'NOTE: cgroups cannot be made here (a container?). Tasks run with isolation=none:\n'
    printf '      what they ask for is reserved, but nothing holds them to it.\n'
  fi
  cat >"$dir/berthd.yaml" <<YAML
dataDir: $dir/data
socket: $dir/berthd.sock
httpListen: ""
YAML
  for node in "${nodes[@]}"; do
    cat >"$dir/$node.yaml" <<YAML
server: unix:$dir/berthd.sock
nodeName: $node
stateDir: $dir/$node
cgroupRoot: $(basename "$dir")/$node
isolation: $isolation
# Tasks run as the user who submits them. Root's are refused otherwise.
allowRoot: $([ "$(id -u)" -eq 0 ] && echo true || echo false)
inventory:
  cpu: $(half_of_cpus)
  memory: $(half_of_memory)
YAML
  done
}

# start LOG COMMAND...: in a session of its own, so that Ctrl-C here is for this script alone.
start() {
  local log=$1
  shift
  "$@" >"$log" 2>&1 </dev/null
}

is_up() { "$bin/berth" --request-timeout 2s version >/dev/null 2>&1; }
nodes_ready() {
  "$bin/berth" get nodes 2>/dev/null |
    awk '{ for (i = 1; i <= NF; i++) if ($i == "ready") { n++; break } } END { print n + 0 }'
}
all_nodes_ready() { [ "$(nodes_ready)" -eq ${#nodes[@]} ]; }

wait_for() {  # wait_for WHAT COMMAND...
  local what=$1
  shift
  wait_until 30 "$@" && return
  fail "$what is not ready after 30 s: the logs, below, say why"
}

put_up() {
  local node
  dir=$(mktemp -d "${TMPDIR:-/tmp}/berth-XXXX")
  export BERTH_SERVER=unix:$dir/berthd.sock
  write_configs
  start "$dir/berthd.log" setsid -f "$bin/berthd" --config "$dir/berthd.yaml"
  wait_for berthd is_up
  for node in "${nodes[@]}"; do
    start "$dir/$node.log" "${as_root[@]}" setsid -f "$bin/berth-agent" --config "$dir/$node.yaml"
  done
  wait_for 'every node' all_nodes_ready
}

install_and_build() {
  local started=$SECONDS tests=() log
  step='installing packages'
  say 'Installing packages'
  tools/setup.sh --no-tests || fail 'its message is above'
  printf 'all there\n'

  step='the build'
  say 'Building a release in build/release (minutes the first time)'
  # A tree that builds the tests too goes on doing so.
  grep -qs '^BERTH_BUILD_TESTS:BOOL=ON' build/release/CMakeCache.txt ||
    tests=(-DBERTH_BUILD_TESTS=OFF)
  log=$(mktemp)
  "${as_caller[@]}" cmake --preset release "${tests[@]}" >"$log" 2>&1 || {
    tail -n 30 "$log" >&2
    rm -f "$log"
    fail 'cmake could not configure it; its message is above. A build/release of another compiler
  or another place may be in the way: remove it, and run this again'
  }
  rm -f "$log"
  "${as_caller[@]}" cmake --build build/release -j "$(nproc)" --target \
    berthd berth-agent berth-shim berth-files berth ||
    fail 'the compiler stopped; its message is above. Killed means that memory ran out: close
  something and run this again, it goes on where it was'
  printf 'installed and built in %d s\n' $((SECONDS - started))
}

# ---- the run -----------------------------------------------------------------------------------

keep=false
case ${1-} in
  '') ;;
  --keep) keep=true ;;
  -h | --help) usage; exit 0 ;;
  --stop)
    step='stopping'
    is_ours "${2-}" || fail "'${2-}' is no folder that tools/quickstart.sh --keep left"
    take_down "${2%/}" || fail 'the processes or cgroups above would not go; as root, kill them'
    printf 'stopped, and %s removed\n' "${2%/}"
    exit 0
    ;;
  *) printf 'quickstart: unknown argument %s; see tools/quickstart.sh --help\n' "$1" >&2; exit 2 ;;
esac
if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
  fail 'agents need root to give tasks limits, and there is no sudo: run this as root'
fi

on_exit() {
  local status=$?
  trap - EXIT
  trap '' INT TERM  # once more does not leave things half removed
  if [ -n "$dir" ]; then
    if [ $status -ne 0 ] && [ $status -ne 130 ]; then tail -n 15 "$dir"/*.log >&2; fi
    take_down "$dir" || { printf 'quickstart: these would not go\n' >&2; status=1; }
  fi
  exit $status
}
trap on_exit EXIT
trap 'printf "\nquickstart: interrupted; taking everything down\n" >&2; exit 130' INT TERM HUP

bin=${BERTH_BUILD_DIR:-$root/build/release}/bin
[ -n "${BERTH_BUILD_DIR-}" ] || install_and_build
export PATH=$bin:$PATH

step='starting the cluster'
say 'Starting berthd and two agents, each with half of this machine'
put_up
"$bin/berth" get nodes

step='the transcript'
say 'Running the transcript of README.md'
/usr/bin/python3 tools/run_transcript.py README.md || fail 'it does not print what it should'

step='checking'
say 'Checking'
check() {  # check WHAT EXPECTED SEEN
  [ "$2" = "$3" ] || fail "$1: expected '$2', seen '$3'"
  printf 'ok  %s\n' "$1"
}
check '100 distinct outputs, the squares of 0 to 99' \
  "$(for i in {0..99}; do echo $((i * i)); done | sort)" \
  "$("$bin/berth" logs 2 | sed 's/^.*: //' | sort)"
status=0
"$bin/berth" run -q -- sh -c 'exit 3' || status=$?
check "exit code 3 of a task is 'berth run's" 3 $status
status=0
"$bin/berth" run --memory 500Gi -- true 2>/dev/null || status=$?
check 'what can never fit is refused with exit code 125' 125 $status
explanation=$("$bin/berth" explain last)
printf '%s\n' "$explanation" | sed 's/^/    /'
check 'the explanation says how many nodes were looked at, and why none fits' \
  '2 NodeResourcesFit INSUFFICIENT_MEMORY memory 500Gi' \
  "$(awk '$3 == "INSUFFICIENT_MEMORY" { print $1, $2, $3, $4, $5 }' <<<"$explanation")"
cpus=$(half_of_cpus)
"$bin/berth" submit -q --array 0-1 --cpu "$cpus" -- sleep 1000 >/dev/null
"$bin/berth" submit -q --cpu "$cpus" -- true >/dev/null
is_parked() { [ "$("$bin/berth" get tasks --job last --state parked -q)" != '' ]; }
wait_until 10 is_parked || fail 'with both nodes full, a third task is not parked'
check 'with both nodes full, the explanation of a third task counts them' \
  '0/2 nodes fit: 2 insufficient cpu' \
  "$("$bin/berth" explain -q last | grep -om1 '0/2 nodes fit: 2 insufficient cpu' || true)"
"$bin/berth" cancel "$("$bin/berth" get jobs --state running -q)" last >/dev/null
wait_until 10 no_tasks "$dir" || fail "tasks have left processes: $(tasks_of "$dir")"
printf 'ok  no task has left a process\n'

step='taking it down'
done_with=$dir
take_down "$dir" || fail 'the processes or cgroups above are left'
dir=
check 'no process is left' '' "$(daemons_of "$done_with")"
check 'no cgroup is left' '' "$(cgroups_of "$done_with")"

if $keep; then
  step='starting the cluster that stays'
  say 'Leaving a fresh cluster up'
  put_up
  cat <<TEXT
export BERTH_SERVER=$BERTH_SERVER
export PATH=$bin:\$PATH
cd $root/config/examples

The three lines above, in your shell, make 'berth' speak to it. Then, for example:
  berth run --cpu 1 -- python3 -c 'print(6*7)'
  berth get nodes
Stop it, with all that runs in it:
  $root/tools/quickstart.sh --stop $dir
TEXT
  dir=  # stays
else
  say "All of it works, and everything is taken down. Next: tools/quickstart.sh --keep"
fi
