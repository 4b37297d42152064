#!/usr/bin/env bash
# Checks what a compiler does not: format, who includes whom, determinism, what the protos say,
# scripts that parse.
#
# Usage: tools/lint.sh [--staged] [--fix] [--tidy [BASE]]
#   --staged   format and scripts are checked in the files about to be committed only
#   --fix      formats instead of complaining
#   --tidy     also runs clang-tidy, with thread-safety analysis, on C++ files changed since BASE
#              (default HEAD); needs the package clang-tidy and a configured build/release
set -euo pipefail
cd "$(dirname "$0")/.."

staged=false fix=false tidy=false base=HEAD
while [ $# -gt 0 ]; do
  case $1 in
    --staged) staged=true ;;
    --fix) fix=true ;;
    --tidy)
      tidy=true
      if [ $# -gt 1 ] && [ "${2#--}" = "$2" ]; then base=$2; shift; fi
      ;;
    -h | --help) awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"; exit 0 ;;
    *) printf 'lint: unknown argument %s; see tools/lint.sh --help\n' "$1" >&2; exit 2 ;;
  esac
  shift
done

# The files of the project that match the patterns, one a line: what git knows or would add.
files() {
  if $staged; then
    git diff --cached --name-only --diff-filter=ACMR -- "$@"
  elif git rev-parse --git-dir >/dev/null 2>&1; then
    git ls-files --cached --others --exclude-standard --deduplicate -- "$@" |
      while IFS= read -r file; do
        if [ -f "$file" ]; then printf '%s\n' "$file"; fi  # a deleted file may be listed still
      done
  else  # an unpacked release
    local names=() pattern
    for pattern in "$@"; do names+=(-o -name "$pattern"); done
    find . -path ./build -prune -o -type f \( "${names[@]:1}" \) -print
  fi
}

failed=()
check() {
  local name=$1
  shift
  "$@" || failed+=("$name")
}

check_format() {
  local format=clang-format sources
  if command -v clang-format-14 >/dev/null; then format=clang-format-14; fi
  command -v "$format" >/dev/null || {
    echo 'lint: clang-format is missing: run tools/setup.sh'
    return 1
  }
  case $("$format" --version) in
    *'version 14.'*) ;;
    *) echo "lint: the format is clang-format 14's, and this is $("$format" --version)"; return 1 ;;
  esac
  mapfile -t sources < <(files '*.h' '*.cc')
  [ ${#sources[@]} -gt 0 ] || return 0
  if $fix; then
    printf '%s\0' "${sources[@]}" | xargs -0 -P "$(nproc)" -n 16 "$format" -i
  else
    printf '%s\0' "${sources[@]}" | xargs -0 -P "$(nproc)" -n 16 "$format" --dry-run -Werror || {
      echo 'lint: tools/lint.sh --fix formats them'
      return 1
    }
  fi
}

check_scripts() {
  local python=/usr/bin/python3 scripts shells status=0 file
  [ -x "$python" ] || python=python3
  mapfile -t scripts < <(files '*.py')
  if [ ${#scripts[@]} -gt 0 ]; then
    "$python" -c 'import ast, sys
for path in sys.argv[1:]:
    ast.parse(open(path, encoding="utf-8").read(), path)' "${scripts[@]}" || status=1
  fi
  mapfile -t shells < <(files '*.sh' .ci/run .githooks/pre-commit)
  for file in "${shells[@]}"; do bash -n "$file" || status=1; done
  if command -v shellcheck >/dev/null && [ ${#shells[@]} -gt 0 ]; then
    shellcheck --severity=warning "${shells[@]}" || status=1
  fi
  return $status
}

check_tidy() {
  local changed
  command -v clang-tidy >/dev/null || {
    echo 'lint: --tidy needs the package clang-tidy'
    return 1
  }
  [ -f build/release/compile_commands.json ] || {
    echo 'lint: --tidy needs build/release/compile_commands.json: run cmake --preset release'
    return 1
  }
  mapfile -t changed < <(git diff --name-only --diff-filter=ACMR "$base" -- '*.cc')
  [ ${#changed[@]} -gt 0 ] || return 0
  printf '%s\0' "${changed[@]}" | xargs -0 -P "$(nproc)" -n 1 clang-tidy -p build/release --quiet \
    --extra-arg=-Wthread-safety --extra-arg=-Wno-unknown-warning-option
}

check_layers() { tools/check_layers.py docs/layers.txt src include plugins; }
check_determinism() { tools/check_determinism.py docs/determinism.txt; }

check_protos() {
  local protos
  mapfile -t protos < <(files 'proto/berth/v1/*.proto')
  [ ${#protos[@]} -eq 0 ] || tools/check_proto_comments.py "${protos[@]}"
}

check format check_format
check layers check_layers
check determinism check_determinism
check protos check_protos
check scripts check_scripts
if $tidy; then check tidy check_tidy; fi

if [ ${#failed[@]} -gt 0 ]; then
  printf 'lint: failed: %s\n' "${failed[*]}"
  exit 1
fi
echo 'lint: clean'
