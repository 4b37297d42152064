#!/usr/bin/env bash
# Installs what is missing, builds, and runs lint and every test.
# The last line is "N passed, N failed, N skipped".
#
# Usage: tools/test.sh [--preset release|debug|asan|tsan] [--long]
#   --preset P   what to build; asan and tsan build and run the tests that carry their label
#                (default release)
#   --long       also the tests labelled long
# Each test is reported in build/P/test-results. Exits 0 only when nothing failed.
set -euo pipefail
cd "$(dirname "$0")/.."

preset=release long=false
while [ $# -gt 0 ]; do
  case $1 in
    --preset)
      preset=${2-}
      shift
      ;;
    --long) long=true ;;
    -h | --help) awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"; exit 0 ;;
    *) printf 'test: unknown argument %s; see tools/test.sh --help\n' "$1" >&2; exit 2 ;;
  esac
  shift
done
case $preset in
  release | debug | asan | tsan) ;;
  *)
    printf "test: there is no preset '%s': use release, debug, asan or tsan\n" "$preset" >&2
    exit 2
    ;;
esac

build=build/$preset
results=$PWD/$build/test-results
jobs=$(nproc)
timings=()
stage() {  # stage NAME COMMAND...: runs it, and remembers how long it took
  local name=$1 start=$SECONDS
  shift
  printf '\n==> %s (%s)\n' "$name" "$preset"
  local status=0
  "$@" || status=$?
  timings+=("$(printf '%5d s  %s (%s)' $((SECONDS - start)) "$name" "$preset")")
  return $status
}
# Whatever the stage that failed, the last line says how many: here, that stage.
give_up() {
  mkdir -p "$results"
  printf '\ntest: %s failed\n' "$1"
  printf '0 passed, 1 failed, 0 skipped\n' | tee "$results/summary.txt"
  exit 1
}

targets=(all)
case $preset in
  asan | tsan) targets=("berth_${preset}_tests") ;;
esac

stage setup tools/setup.sh || give_up setup
stage configure cmake --preset "$preset" || give_up configure
stage build cmake --build --preset "$preset" -j "$jobs" --target "${targets[@]}" || give_up build

rm -rf "$results"
mkdir -p "$results"
selection=(--preset "$preset")
if $long; then
  # A preset's own filter cannot be widened, so this says in full what the preset says less of.
  selection=(--test-dir "$build" --output-on-failure --no-tests=error)
  case $preset in
    asan | tsan)
      printf 'test: --long adds nothing to %s, which runs what is labelled so\n' "$preset"
      selection=(--preset "$preset")
      ;;
  esac
fi
status=0
stage tests ctest "${selection[@]}" -j "$jobs" --output-junit "$results/ctest.xml" || status=$?

printf '\n'
printf '%s\n' "${timings[@]}"
python=/usr/bin/python3
[ -x "$python" ] || python=python3
# The count decides: it knows of skips that nobody listed. ctest's own word is in it.
"$python" tools/count_tests.py "$results/ctest.xml" "$results" tests/skips.txt || exit 1
if [ $status -ne 0 ]; then
  echo 'test: ctest failed, and no test says why: see its output above'
  printf '0 passed, 1 failed, 0 skipped\n' | tee "$results/summary.txt"
  exit 1
fi
