#!/usr/bin/env bash
# Measures Berth on this machine. Prints one JSON object a line on standard output; docs/benchmarks.md
# says what the figures mean and keeps those that were seen.
#
# Usage: tools/bench.sh NAME [ARGUMENTS...]
#   process   real processes on one agent: tasks a second, CPU a task, time from submit to running
#   running   what an agent and its shims take while 1,000 tasks run
#   idle      what berthd takes with two agents and nothing to do
#   engine    placements a second by the engine, against scans over all nodes, without a cluster;
#             then what a million tasks that fit nowhere cost the loop
#   policy    how much of a cluster's GPUs each placement policy gives away, beside what was published
#   history   how well run times are predicted from history, on logs of real clusters
#   scorer    what scores from outside cost the loop: reading nodes, taking in columns, placing with them
#   features  what reading a job's text by rules costs
#   all       every one of them
# Arguments go to the benchmark: tools/bench.sh process --help. Builds build/release first.
set -euo pipefail
cd "$(dirname "$0")/.."

python=/usr/bin/python3
[ -x "$python" ] || python=python3
usage() { awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"; }

name=${1-}
case $name in
  process | running | idle | engine | policy | history | scorer | features | all) shift ;;
  -h | --help) usage; exit 0 ;;
  '') usage >&2; exit 2 ;;
  *) printf "bench: there is no benchmark '%s'; see tools/bench.sh --help\n" "$name" >&2; exit 2 ;;
esac

build() {
  [ -f build/release/build.ninja ] || cmake --preset release
  cmake --build build/release -j "$(nproc)" --target "$@"
}
programs=(berthd berth-agent berth-shim berth)
case $name in
  engine) programs=(engine_bench backlog_bench) ;;
  policy) programs=(policy_bench) ;;
  history) programs=(history_bench) ;;
  scorer) programs=(scorer_bench) ;;
  features) programs=(features_bench) ;;
  all) programs+=(engine_bench backlog_bench policy_bench history_bench scorer_bench features_bench) ;;
esac
build "${programs[@]}" >&2 || {
  echo 'bench: the build failed; its message is above' >&2
  exit 1
}
export BERTH_BUILD_DIR=$PWD/build/release
case $name in
  all)
    "$python" -B tests/bench/process_bench.py
    "$python" -B tests/bench/running_bench.py
    "$python" -B tests/bench/idle_bench.py
    "$BERTH_BUILD_DIR/bench/engine_bench"
    "$BERTH_BUILD_DIR/bench/backlog_bench"
    "$BERTH_BUILD_DIR/bench/policy_bench"
    "$BERTH_BUILD_DIR/bench/history_bench"
    "$BERTH_BUILD_DIR/bench/scorer_bench"
    "$BERTH_BUILD_DIR/bench/features_bench"
    ;;
  policy) "$BERTH_BUILD_DIR/bench/policy_bench" "$@" ;;
  history) "$BERTH_BUILD_DIR/bench/history_bench" "$@" ;;
  scorer) "$BERTH_BUILD_DIR/bench/scorer_bench" ;;
  features) "$BERTH_BUILD_DIR/bench/features_bench" ;;
  engine)
    "$BERTH_BUILD_DIR/bench/engine_bench" "$@"
    [ $# -gt 0 ] || "$BERTH_BUILD_DIR/bench/backlog_bench"
    ;;
  *) "$python" -B "tests/bench/${name}_bench.py" "$@" ;;
esac
