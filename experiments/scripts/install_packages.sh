#!/usr/bin/env bash
# Installs what the build needs on Debian or Ubuntu: by apt when root, else it prints the line to run.
# usage: experiments/scripts/install_packages.sh [--tests] [--analysis] [--list]
# --tests: NumPy and pytest as well, without which the tests of the Python package are skipped.
# --analysis: Clang with libFuzzer, clang-tidy and cppcheck, for tests/fuzz/run.sh and
#   tests/static_analysis.sh.
# --list: print the packages' names and end.
set -eu
tests=no analysis=no list=no
for option in "$@"; do
  case $option in
    --tests) tests=yes ;;
    --analysis) analysis=yes ;;
    --list) list=yes ;;
    *) sed -n '2,/^set -eu/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
done

packages=(g++ make cmake git python3 curl unzip libcli11-dev nlohmann-json3-dev libspdlog-dev
  libfmt-dev zlib1g-dev libhwy-dev libgtest-dev libboost-context-dev libopenmpi-dev openmpi-bin
  libcpp-httplib-dev pkg-config gnuplot-nox)

# The version of libclang-rt is in its name. Ubuntu 22.04 has no such package: there it is a part of
# what clang depends on.
if [ $analysis = yes ]; then
  packages+=(clang clang-tidy cppcheck)
  if [ "$(id -u)" -eq 0 ] && ! apt-cache show clang >/dev/null 2>&1; then apt-get update -qq || true; fi
  clang=$(apt-cache depends clang 2>/dev/null | sed -n 's/^ *Depends: clang-\([0-9]*\)$/\1/p' | head -1)
  if [ -n "$clang" ] && apt-cache show "libclang-rt-$clang-dev" >/dev/null 2>&1; then
    packages+=("libclang-rt-$clang-dev")
  fi
fi
if [ $list = yes ]; then
  printf '%s\n' "${packages[@]}"
  exit
fi

# Not needed, but a second build takes minutes less with it.
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then packages+=(ccache); fi

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] && continue
  # A tool that came by another way will do.
  case $package in g++ | make | cmake | git | python3 | curl | unzip | pkg-config | gnuplot-nox | ccache | \
    clang-tidy | cppcheck)
    command -v "${package%-nox}" >/dev/null && continue ;;
  esac
  missing+=("$package")
done
# Without them tests are skipped, so that they do not fail here. As root, for the system's own Python.
if [ $tests = yes ] && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null &&
  ! python3 -c 'import numpy, pytest' 2>/dev/null && ! /usr/bin/python3 -c 'import numpy, pytest' 2>/dev/null; then
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive timeout 300 apt-get install -y -qq \
    --no-install-recommends python3-numpy python3-pytest; } >/dev/null 2>&1 ||
    echo "install_packages: no NumPy or pytest: tests of the Python package are skipped" >&2
fi
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
  echo "install_packages: needs Debian or Ubuntu; elsewhere install the like of: ${missing[*]}" >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "install_packages: run as root: apt-get install -y ${missing[*]}" >&2
  exit 1
fi
echo "installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -5 "$log" >&2
  echo "install_packages: apt-get failed; run: apt-get install -y ${missing[*]}" >&2
  exit 1
fi
