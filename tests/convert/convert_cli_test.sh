#!/usr/bin/env bash
# mgqe convert, append and compact as a user meets them: tables written by NumPy, files that Python
# decodes to the error that was reported, and every kind of bad input in one line with nothing written.
set -u
mgqe=${1:?build folder}/mgqe
python3 -c 'import numpy' 2>/dev/null || { echo "skipped: python3 has no numpy"; exit 77; }
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

python3 - <<'PY'
import numpy as np
rng = np.random.default_rng(3)
centers = rng.normal(size=(40, 16))
x = (centers[rng.integers(0, 40, 2000)] + 0.3 * rng.normal(size=(2000, 16))).astype(np.float32)
np.save("t.npy", x)
np.save("t64.npy", x.astype(np.float64))
np.save("t16.npy", x.astype(np.float16))
np.save("fortran.npy", np.asfortranarray(x))
np.save("big.npy", x.astype(">f4"))
np.save("int.npy", np.arange(32).reshape(2, 16))
np.save("flat.npy", x[0])
np.save("objects.npy", np.array([["a", 1]], object), allow_pickle=True)
np.save("wide.npy", x[:, :15])
np.save("new.npy", x[:100] + 0.01)
np.save("far.npy", 9 * rng.normal(size=(100, 16)) + 5)
bad = x.copy(); bad[1234, 7] = np.nan
np.save("nan.npy", bad)
open("cut.npy", "wb").write(open("t.npy", "rb").read()[:-1])
open("ids.txt", "w").write("".join(f"sku-{r * 7919 % 2000}\n" for r in range(2000)))
open("short.txt", "w").write("".join(f"{r}\n" for r in range(1999)))
open("twice.txt", "w").write("".join(f"{r % 1999}\n" for r in range(2000)))
open("new_ids.txt", "w").write("".join(f"new-{r}\n" for r in range(100)))
open("old_ids.txt", "w").write("".join(f"new-{r}\n" for r in range(99)) + "sku-5\n")
np.save("counts.npy", np.arange(2000))
open("counts.txt", "w").write("".join(f"sku-{r * 7919 % 2000} {r}\n" for r in range(2000)))
open("stranger.txt", "w").write("sku-1 5\nsku-2000 1\n")
open("numbers.txt", "w").write("".join(f"{r},{2000 - r}\n" for r in range(2000)))
PY

convert() { echo convert --device cpu --subspaces 4; }
# shellcheck disable=SC2046
{
  # ---- good runs ----
  good "convert" $(convert) --in t.npy --out a.safetensors --centroids 64,16 --tiers 0.1 --json
  cp stdout a.json
  good "convert, ids and counts" $(convert) --in t.npy --out b.safetensors --centroids 64,16 --ids ids.txt --counts counts.txt --json
  cp stdout b.json
  cat >decode.py <<'PY'
import json, struct
import numpy as np
def load(path):
    """Rows decoded, ids, metadata, by the description of the format alone."""
    data = open(path, "rb").read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    types = {"F32": np.float32, "U8": np.uint8, "I64": np.int64, "I32": np.int32}
    def array(name):
        info = header[name]
        begin, end = (8 + length + at for at in info["data_offsets"])
        return np.frombuffer(data[begin:end], types[info["dtype"]]).reshape(info["shape"])
    meta = header["__metadata__"]
    (name, form), = json.loads(meta["tables"]).items()
    book, rows, begin = array(name + ".codebook"), [], 0
    for t, tier in enumerate(form["tiers"]):
        D, bits = tier["subspaces"], (tier["centroids"] - 1).bit_length()
        codes = np.unpackbits(array(f"{name}.codes.{t}"), axis=1, bitorder="little")[:, :D * bits]
        codes = (codes.reshape(-1, D, bits).astype(int) << np.arange(bits)).sum(2)
        parts = book.reshape(len(book), D, -1)
        rows.append(parts[codes, np.arange(D)].reshape(len(codes), form["dim"]))
    kind = json.loads(meta["entities"])[name]["ids"]
    count = form["rows"]
    if kind == "rows":
        ids = list(range(count))
    elif kind == "integers":
        ids = array(f"ids.{name}").tolist()
    else:
        text, at = array(f"ids.{name}.text").tobytes(), array(f"ids.{name}.offsets")
        ids = [text[at[r]:at[r + 1]].decode() for r in range(count)]
    return np.concatenate(rows), ids, meta, [len(r) for r in rows]
def error(x, y):
    x = x.astype(float)
    return ((x - y) ** 2).sum() / (x ** 2).sum()
PY
  check "the error is what NumPy finds" <<'PY'
from decode import *
x, (y, ids, meta, tiers), report = np.load("t.npy"), load("a.safetensors"), json.load(open("a.json"))
assert tiers == [200, 1800] and ids == list(range(2000)) and meta["task"] == "lookup"
for part, tier in zip((slice(0, 200), slice(200, None)), report["tiers"]):
    assert abs(error(x[part], y[part]) / tier["error"] - 1) < 1e-5
assert report["error"] < 0.2, report["error"]
assert report["size"]["file_bytes"] == len(open("a.safetensors", "rb").read())
PY
  check "ids follow their rows, by count" <<'PY'
from decode import *
x, (y, ids, meta, tiers), report = np.load("t.npy"), load("b.safetensors"), json.load(open("b.json"))
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
  good "inspect" inspect a.safetensors
  shows "inspect shows the table" "item +mgqe +2,000"
  good "inspect --json" inspect --json a.safetensors
  good "help" convert --help
  shows "help has examples" "mgqe convert --in items.npy"

  # ---- append ----
  good "append" append --device cpu --artifact a.safetensors --in new.npy --out d.safetensors --json
  check "appended rows" <<'PY'
from decode import *
report, (y, ids, _, tiers), (before, *_) = json.load(open("stdout")), load("d.safetensors"), load("a.safetensors")
assert tiers == [200, 1900] and ids == list(range(2100)) and (y[:2000] == before).all()
assert abs(error(np.load("new.npy"), y[2000:]) / report["error"] - 1) < 1e-5
assert 0.7 < report["drift"] < 1.3, report
PY
  good "append in place" append --device cpu --artifact d.safetensors --in far.npy --out d.safetensors
  shows "drift for people" "[0-9]+% above"
  good "append with ids" append --device cpu --artifact b.safetensors --in new.npy --ids new_ids.txt --out e.safetensors
  good "inspect the appended" inspect e.safetensors

  # ---- compact ----
  good "compact" compact --device cpu --artifact a.safetensors --counts counts.npy --out f.safetensors --json
  check "compacted rows" <<'PY'
from decode import *
report, (y, ids, _, tiers), (before, *_) = json.load(open("stdout")), load("f.safetensors"), load("a.safetensors")
assert tiers == [200, 1800] and ids == list(range(1999, -1, -1))
assert report["rows_moved"] == 400 and report["rows_encoded"] == 200
assert (y[:1800] == before[::-1][:1800]).all()  # up into the head, or within the tail
assert abs(error(before[::-1][1800:], y[1800:]) / report["encoded_error"] - 1) < 1e-4
PY
  good "compact by ids, with cuts" compact --device cpu --artifact a.safetensors --counts numbers.txt --tiers 0.2 --out g.safetensors --json
  shows "new cuts" '400'
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
  printf damaged >ids.safetensors
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
