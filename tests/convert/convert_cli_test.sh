#!/usr/bin/env bash
# mgqe convert, append and compact as a user meets them: files that Python's standard library decodes
# to the error that was reported, and every kind of bad input in one line with nothing written.
set -u
mgqe=$(cd "${1:?build folder}" && pwd)/mgqe
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
passed=0 failed=0

verdict() { # verdict CODE NAME
  if [ "$1" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $2"; fi
}
# refuse NAME PATTERN ARGS...: exit code 2, one line on stderr that matches PATTERN, no out.safetensors.
refuse() {
  local name=$1 pattern=$2
  shift 2
  rm -f out.safetensors*
  "$mgqe" "$@" >stdout 2>stderr
  local code=$?
  [ $code -eq 2 ] && [ "$(wc -l <stderr)" -eq 1 ] && grep -qE -- "$pattern" stderr && [ -z "$(ls out.safetensors* 2>/dev/null)" ]
  local ok=$?
  [ $ok -ne 0 ] && { echo "exit $code, stderr:"; cat stderr; ls out.safetensors* 2>/dev/null; }
  verdict $ok "$name"
}
# good NAME ARGS...: exit code 0, nothing on stderr; stdout is left.
good() {
  local name=$1
  shift
  "$mgqe" "$@" >stdout 2>stderr
  local code=$?
  [ $code -eq 0 ] && [ ! -s stderr ]
  local ok=$?
  [ $ok -ne 0 ] && { echo "exit $code, stderr:"; cat stderr; }
  verdict $ok "$name"
}
shows() { # shows NAME PATTERN: of the last stdout
  grep -qE -- "$2" stdout
  local ok=$?
  [ $ok -ne 0 ] && cat stdout
  verdict $ok "$1"
}
check() { # check NAME: a Python program on stdin that asserts
  python3 - 2>python.err
  local ok=$?
  [ $ok -ne 0 ] && cat python.err
  verdict $ok "$1"
}

cat >tables.py <<'PY'
"""Tables of lists of rows: into .npy, and out of artifacts by the description of their format alone."""
import json, random, struct

def save(path, rows, kind="<f4", fortran=False):
    shape = (len(rows), len(rows[0])) if isinstance(rows[0], list) else (len(rows),)
    flat = [value for row in rows for value in row] if len(shape) == 2 else rows
    header = str({"descr": kind, "fortran_order": fortran, "shape": shape}) + "\n"
    code = kind[0].replace("|", "<") + str(len(flat)) + {"f4": "f", "f8": "d", "f2": "e", "i8": "q"}.get(kind[1:], "f")
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + struct.pack(code, *flat))

def near(rng, centers):
    return [[c + rng.gauss(0, 0.3) for c in rng.choice(centers)] for _ in range(2000)]

def table():
    rng = random.Random(3)
    rows = near(rng, [[rng.gauss(0, 1) for _ in range(16)] for _ in range(40)])
    return [list(struct.unpack("<16f", struct.pack("<16f", *row))) for row in rows]

def load(path):
    """Rows decoded, ids, metadata, rows of each tier."""
    data = open(path, "rb").read()
    length, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    def array(name, code):
        begin, end = (8 + length + at for at in header[name]["data_offsets"])
        return struct.unpack(f"<{(end - begin) // struct.calcsize(code)}{code}", data[begin:end])
    meta = header["__metadata__"]
    (name, form), = json.loads(meta["tables"]).items()
    d, book, rows = form["dim"], array(name + ".codebook", "f"), []
    counts = []
    stages = form.get("stages", 1)
    turn = array(name + ".rotation", "f") if form.get("rotated") else None
    for t, tier in enumerate(form["tiers"]):
        D, bits = tier["subspaces"] * stages, (tier["centroids"] - 1).bit_length()
        codes, width, row_bytes = bytes(array(f"{name}.codes.{t}", "B")), d * stages // D, (D * bits + 7) // 8
        counts.append(len(codes) // row_bytes)
        for at in range(0, len(codes), row_bytes):
            word, row = int.from_bytes(codes[at:at + row_bytes], "little"), []
            for j in range(D):
                first = (word >> (j * bits) & (1 << bits) - 1) * d * stages + j * width
                row += book[first:first + width]
            row = [sum(row[c::d]) for c in range(d)]
            if turn:
                row = [sum(row[i] * turn[i * d + c] for i in range(d)) for c in range(d)]
            rows.append(row)
    kind = json.loads(meta["entities"])[name]["ids"]
    ids = list(range(form["rows"]))
    if kind == "integers":
        ids = list(array(f"ids.{name}", "q"))
    if kind == "text":
        text, at = bytes(array(f"ids.{name}.text", "B")), array(f"ids.{name}.offsets", "q")
        ids = [text[at[r]:at[r + 1]].decode() for r in ids]
    return rows, ids, meta, counts

def error(x, y):
    assert len(x) == len(y)
    return (sum((a - b) ** 2 for p, q in zip(x, y) for a, b in zip(p, q)) / sum(a * a for p in x for a in p))
PY
python3 - <<'PY'
from tables import *
x, rng = table(), random.Random(4)
save("t.npy", x)
save("t64.npy", x, "<f8")
save("t16.npy", x, "<f2")
save("fortran.npy", x, fortran=True)
save("big.npy", x, ">f4")
save("int.npy", [list(range(16))] * 2, "<i8")
save("flat.npy", x[0])
save("objects.npy", x[:2], "|O")
save("wide.npy", [row[:15] for row in x])
save("new.npy", [[value + 0.01 for value in row] for row in x[:100]])
save("far.npy", [[rng.gauss(5, 9) for _ in range(16)] for _ in range(100)])
bad = [list(row) for row in x]
bad[1234][7] = float("nan")
save("nan.npy", bad)
open("cut.npy", "wb").write(open("t.npy", "rb").read()[:-1])
lines = lambda path, ids: open(path, "w").write("".join(f"{one}\n" for one in ids))
lines("ids.txt", (f"sku-{r * 7919 % 2000}" for r in range(2000)))
lines("short.txt", range(1999))
lines("twice.txt", (r % 1999 for r in range(2000)))
lines("new_ids.txt", (f"new-{r}" for r in range(100)))
lines("old_ids.txt", [f"new-{r}" for r in range(99)] + ["sku-5"])
save("counts.npy", list(range(2000)), "<i8")
lines("counts.txt", (f"sku-{r * 7919 % 2000} {r}" for r in range(2000)))
lines("stranger.txt", ["sku-1 5", "sku-2000 1"])
lines("numbers.txt", (f"{r},{2000 - r}" for r in range(2000)))
lines("ids.safetensors", ["damaged"])
PY

convert() { echo convert --device cpu --subspaces 4; }
# shellcheck disable=SC2046
{
  # ---- good runs ----
  good "convert" $(convert) --in t.npy --out a.safetensors --centroids 64,16 --tiers 0.1 --json
  cp stdout a.json
  good "convert, ids and counts" $(convert) --in t.npy --out b.safetensors --centroids 64,16 --ids ids.txt --counts counts.txt --json
  cp stdout b.json
  check "the error is what Python finds" <<'PY'
from tables import *
x, (y, ids, meta, tiers), report = table(), load("a.safetensors"), json.load(open("a.json"))
assert tiers == [200, 1800] and ids == list(range(2000)) and meta["task"] == "lookup"
for part, tier in zip((slice(0, 200), slice(200, None)), report["tiers"]):
    assert abs(error(x[part], y[part]) / tier["error"] - 1) < 1e-5
assert report["error"] < 0.2, report["error"]
assert report["size"]["file_bytes"] == len(open("a.safetensors", "rb").read())
PY
  check "ids follow their rows, by count" <<'PY'
from tables import *
x, (y, ids, meta, tiers), report = table(), load("b.safetensors"), json.load(open("b.json"))
row = {f"sku-{r * 7919 % 2000}": r for r in range(2000)}
assert [row[i] for i in ids] == list(range(1999, -1, -1))
assert abs(error(x[::-1], y) / report["error"] - 1) < 1e-5
PY
  good "threads" $(convert) --in t.npy --out a1.safetensors --centroids 64,16 --tiers 0.1 --threads 1
  cmp -s a.safetensors a1.safetensors; verdict $? "one thread writes the same file"
  good "f8" $(convert) --in t64.npy --out a64.safetensors --centroids 64,16 --json
  good "f2" $(convert) --in t16.npy --out a16.safetensors --centroids 64,16
  shows "a table for people" "^all +2,000"
  good "from safetensors" $(convert) --in a.safetensors:item.codebook --out c.safetensors --centroids 64
  shows "exact where rows are few" "^all +64 +0.0000"
  good "stages and a rotation" $(convert) --in t.npy --out s.safetensors --centroids 64,16 --stages 2 --rotation opq --json
  cp stdout s.json
  good "verify stages and a rotation" verify s.safetensors
  check "stages and a rotation are what Python finds" <<'PY'
from tables import *
x, (y, ids, meta, tiers), report, plain = table(), load("s.safetensors"), json.load(open("s.json")), json.load(open("a.json"))
assert json.loads(meta["tables"])["item"]["scheme"] == report["scheme"] == "prq"
for part, tier, before in zip((slice(0, 200), slice(200, None)), report["tiers"], plain["tiers"]):
    assert abs(error(x[part], y[part]) / tier["error"] - 1) < 1e-4
    assert tier["codes"] == 8 and tier["error"] < 0.6 * before["error"], (tier, before)
assert 0 < report["rotation"]["error"] <= 1.02 * report["rotation"]["error_without"]
PY
  good "a rotation, for people" $(convert) --in t.npy --out s1.safetensors --centroids 64,16 --rotation opq
  shows "what it is worth" "^rotation: error 0\.[0-9]+ where it was 0\.[0-9]+, of the 2,000 rows"
  good "append to stages" append --device cpu --artifact s.safetensors --in new.npy --out s2.safetensors
  good "look-up of stages" lookup --artifact s2.safetensors --table item --rows 2099
  good "similar by stages" similar --artifact s2.safetensors --by dot --item 7 --k 3
  good "inspect" inspect a.safetensors
  shows "inspect shows the table" "item +mgqe +2,000"
  good "inspect --json" inspect --json a.safetensors
  good "help" convert --help
  shows "help has examples" "mgqe convert --in items.npy"

  # ---- append ----
  good "append" append --device cpu --artifact a.safetensors --in new.npy --out d.safetensors --json
  check "appended rows" <<'PY'
from tables import *
report, (y, ids, _, tiers), (before, *_) = json.load(open("stdout")), load("d.safetensors"), load("a.safetensors")
assert tiers == [200, 1900] and ids == list(range(2100)) and y[:2000] == before
new = [[value + 0.01 for value in row] for row in table()[:100]]
assert abs(error(new, y[2000:]) / report["error"] - 1) < 1e-5
assert 0.7 < report["drift"] < 1.3, report
PY
  good "append in place" append --device cpu --artifact d.safetensors --in far.npy --out d.safetensors
  shows "drift for people" "[0-9]+% above"
  good "append with ids" append --device cpu --artifact b.safetensors --in new.npy --ids new_ids.txt --out e.safetensors
  good "inspect the appended" inspect e.safetensors

  # ---- compact ----
  good "compact" compact --device cpu --artifact a.safetensors --counts counts.npy --out f.safetensors --json
  check "compacted rows" <<'PY'
from tables import *
report, (y, ids, _, tiers), (before, *_) = json.load(open("stdout")), load("f.safetensors"), load("a.safetensors")
assert tiers == [200, 1800] and ids == list(range(1999, -1, -1))
assert report["rows_moved"] == 400 and report["rows_encoded"] == 200
assert y[:1800] == before[::-1][:1800]  # up into the head, or within the tail
assert abs(error(before[::-1][1800:], y[1800:]) / report["encoded_error"] - 1) < 1e-4
PY
  good "compact by ids, with cuts" compact --device cpu --artifact a.safetensors --counts numbers.txt --tiers 0.2 --out g.safetensors --json
  check "new cuts" <<'PY'
from tables import *
assert json.load(open("stdout"))["tier_rows"] == [400, 1600] == load("g.safetensors")[3]
PY
  good "compact of nothing" compact --device cpu --artifact a.safetensors --out h.safetensors
  cmp -s a.safetensors h.safetensors; verdict $? "without counts the file stays as it is"

  # ---- refused ----
  out() { echo --out out.safetensors; }
  table() { refuse "$1" "$2" $(convert) $(out) --in "${@:3}"; }
  table "no file" "missing.npy: no such file" missing.npy
  table "NaN" "nan.npy: row 1234, column 7 is nan" nan.npy
  table "Fortran order" "fortran.npy.*ascontiguousarray" fortran.npy
  table "big-endian" "big.npy.*big-endian" big.npy
  table "integers" "int.npy holds I64" int.npy
  table "a vector" "flat.npy has the shape \(16\)" flat.npy
  table "pickled objects" "objects.npy.*pickled" objects.npy
  table "a cut file" "cut.npy.*cut" cut.npy
  table "no npy" "ids.txt.*numpy.save" ids.txt
  table "an array that is not there" 'no array "nothing".*item.codebook' a.safetensors:nothing
  table "a damaged safetensors" "ids.safetensors.*not a valid" ids.safetensors
  table "D does not divide d" "--subspaces 4 does not divide the table's dimension 15" wide.npy
  table "K over 256" "--centroids 300" t.npy --centroids 300
  table "rising K" "largest first" t.npy --centroids 16,64
  table "cuts without tiers" "--tiers has 2 cuts" t.npy --tiers 0.1,0.2
  table "a cut beyond 1" "between 0 and 1" t.npy --tiers 10 --centroids 64,16
  table "too few ids" "short.txt has 1999 ids" t.npy --ids short.txt
  table "an id twice" "twice.txt: id 0 stands for two rows" t.npy --ids twice.txt
  table "counts of strangers" 'stranger.txt:2.*"sku-2000"' t.npy --ids ids.txt --counts stranger.txt
  table "counts of other rows" "counts.npy has the shape \(2000\)" new.npy --counts counts.npy
  table "a reserved name" "--name pad.x" t.npy --name pad.x
  table "a name with a space" "--name \"a b\"" t.npy --name "a b"
  table "no stages" "--stages 0 is out of range: 1 to 8" t.npy --stages 0
  table "an unknown rotation" "--rotation pca is unknown: none or opq" t.npy --rotation pca
  table "no iterations" "--iterations 0" t.npy --iterations 0
  table "threads" "--threads -1" t.npy --threads -1
  table "an unknown device" "--device" t.npy --device tpu
  cp t.npy same.npy
  refuse "onto itself" "is the file that is read" $(convert) --in same.npy --out same.npy
  cmp -s t.npy same.npy; verdict $? "the table is left alone"
  refuse "into a folder" "is a folder" $(convert) --in t.npy --out .
  refuse "evaluate" "a.safetensors cannot be evaluated: .*converted" evaluate --artifact a.safetensors
  add() { refuse "$1" "$2" append --device cpu $(out) --artifact "$3" --in "${@:4}"; }
  add "append of other columns" "15 columns where table item of a.safetensors has 16" a.safetensors wide.npy
  add "append of NaN" "row 1234, column 7" a.safetensors nan.npy
  add "append without ids" "--ids" b.safetensors new.npy
  add "append of known ids" 'id "sku-5" would stand for two rows' b.safetensors new.npy --ids old_ids.txt
  add "append of texts to integers" "ids of item are integers" a.safetensors new.npy --ids new_ids.txt
  add "append to a table that is not there" "its tables are item" a.safetensors new.npy --name user
  add "append to no artifact" "not a valid" ids.txt new.npy
  order() { refuse "$1" "$2" compact --device cpu $(out) --artifact "${@:3}"; }
  order "compact by strangers" 'no id "sku-1"' a.safetensors --counts stranger.txt
  order "compact with cuts of others" "has 2 tiers" a.safetensors --tiers 0.1,0.2
  order "compact of no artifact" "no such file" missing.safetensors
}
echo "convert_cli_test: $passed passed, $failed failed"
[ $failed -eq 0 ]
