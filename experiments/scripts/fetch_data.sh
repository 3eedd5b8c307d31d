#!/usr/bin/env bash
# Downloads MovieLens-1M from GroupLens, checks it, and leaves DIR/ml-1m/ratings.dat.
#
#   experiments/scripts/fetch_data.sh [DIR]      DIR: data, where `mgqe train --data ml-1m` looks for it
#
# MGQE_ML1M_URL names another address of the zip (a mirror); its MD5 is expected at that address
# with .md5 behind it, as GroupLens publishes it. Needs curl or wget, and unzip or python3.
set -euo pipefail

url=${MGQE_ML1M_URL:-https://files.grouplens.org/datasets/movielens/ml-1m.zip}
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
      fail "cannot download $1; check the network, or set MGQE_ML1M_URL to a mirror"
  elif has wget; then
    wget --quiet --tries=3 --output-document="$2" "$1" ||
      fail "cannot download $1; check the network, or set MGQE_ML1M_URL to a mirror"
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

if [ -s "$target" ]; then
  echo "$target is there already"
  exit 0
fi

mkdir -p "$folder" || fail "cannot make the folder $folder; name a writable one"
scratch=$(mktemp -d "$folder/.fetch.XXXXXX") || fail "cannot write in $folder; name a writable one"
trap 'rm -rf "$scratch"' EXIT

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
