#!/usr/bin/env bash
# Installs the Debian 12 packages that Berth is built and tested with. Does nothing, quickly, when
# all are there.
#
# Usage: tools/setup.sh [--no-tests]
#   --no-tests   only what building and running the programs takes
set -euo pipefail

build_packages=(
  build-essential cmake ninja-build ccache mold pkg-config git ca-certificates
  libgrpc++-dev protobuf-compiler-grpc protobuf-compiler libprotobuf-dev libabsl-dev
  libspdlog-dev libyaml-cpp-dev prometheus-cpp-dev librocksdb-dev nlohmann-json3-dev libcli11-dev
  libcpp-httplib-dev libssl-dev libarchive-dev libacl1-dev
  libcurl4-openssl-dev libre2-dev
  python3 iproute2 procps util-linux crun
)
test_packages=(
  libgtest-dev libgmock-dev libbenchmark-dev clang-format
  python3-grpcio python3-protobuf python3-yaml busybox-static zstd openssl
  prometheus curl jq  # prometheus: for promtool, which checks what /metrics says
  systemd             # for systemd-analyze, which checks the units; it is not started
)

fail() {
  printf 'setup: %s\n' "$1" >&2
  exit 1
}

packages=("${build_packages[@]}" "${test_packages[@]}")
case "${1-}" in
  '') ;;
  --no-tests) packages=("${build_packages[@]}") ;;
  -h | --help) awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"; exit 0 ;;
  *) fail "unknown argument $1; see tools/setup.sh --help" ;;
esac

command -v dpkg-query >/dev/null || fail "this is not Debian: dpkg-query is missing.
  Berth is built on Debian 12; elsewhere install the equivalents of: ${packages[*]}"

# dpkg-query fails as a whole when it has never heard of one of the packages; what it prints is
# right even so.
missing=()
format='${db:Status-Status} ${Package}\n'
installed=$(dpkg-query -W -f "$format" "${packages[@]}" 2>/dev/null || true)
for package in "${packages[@]}"; do
  grep -qxF "installed $package" <<<"$installed" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

version=$(. /etc/os-release && echo "${ID-unknown} ${VERSION_ID-unknown}")
[ "$version" = "debian 12" ] || fail "this is $version, and the packages are named for Debian 12.
  Install the equivalents of these by hand, and run this again: ${missing[*]}"

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || fail "installing packages needs root, and there is no sudo.
  As root, run:
  apt-get install --no-install-recommends ${missing[*]}"
  as_root=(sudo)
fi
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@"
}

printf 'setup: installing %d packages: %s\n' ${#missing[@]} "${missing[*]}"
apt update || fail "apt-get update failed (its message is above): check the network and the sources
  in /etc/apt, and run tools/setup.sh again"

# Of prometheus only promtool is wanted. Where systemd runs, installing it would start a server on
# port 9090.
keep_down=false
if [ -d /run/systemd/system ] && grep -qw prometheus <<<"${missing[*]}"; then
  keep_down=true
  "${as_root[@]}" systemctl mask --runtime prometheus.service
fi
status=0
apt install -y --no-install-recommends "${missing[@]}" || status=$?
if $keep_down; then
  "${as_root[@]}" systemctl unmask --runtime prometheus.service
  [ $status -ne 0 ] || "${as_root[@]}" systemctl disable prometheus.service
fi
[ $status -eq 0 ] || fail "apt-get install failed (its message is above): mend what it names,
  and run tools/setup.sh again"
printf 'setup: done\n'
