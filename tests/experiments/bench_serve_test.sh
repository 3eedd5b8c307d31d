#!/usr/bin/env bash
# bench_serve as a user meets it: a drawn table and the same one from its file give the same lists and
# complete records, bad input ends with one line and a non-zero exit code. Nothing here looks at a time.
set -u
bench=${1:?build folder}/bench_serve
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
fail() { echo "FAILED: $1"; failed=1; }

# refuse NAME PATTERN ARGS...: exit code not 0, one line on stderr that matches PATTERN, no output.
refuse() {
  local name=$1 pattern=$2
  shift 2
  "$bench" "$@" >"$work/stdout" 2>"$work/stderr" && fail "$name: exit code 0"
  [ "$(wc -l <"$work/stderr")" -eq 1 ] && grep -qE -- "$pattern" "$work/stderr" && [ ! -s "$work/stdout" ] ||
    { fail "$name"; cat "$work/stderr"; }
}
refuse "D that does not divide d" "--subspaces 12 is no multiple of 4 that divides --dim 64" --subspaces 12
refuse "k of 0" "--k" --k 0
refuse "a file and rows" "--rows" --artifact x --rows 10
refuse "no such file" "$work/none" --artifact "$work/none" --quick
refuse "--dump of a file" "--open and --dump are of drawn tables" --artifact x --dump "$work"
refuse "unwritable file" "$work/missing/serve.json" --quick --rows 100 --json "$work/missing/serve.json"

mkdir "$work/dump"
"$bench" --rows 3000 --dump "$work/dump" >"$work/stdout" 2>&1 && [ ! -s "$work/stdout" ] || fail "--dump"
for name in codes.npy codebook.npy queries.npy model.safetensors; do
  [ -s "$work/dump/$name" ] || fail "--dump writes $name"
done
"$bench" --quick --rows 3000 --users 1,64 --open "$work" --json "$work/drawn.json" >"$work/table" 2>&1 ||
  { fail "a drawn table"; cat "$work/table"; }
"$bench" --quick --artifact "$work/dump/model.safetensors" --users 1,64 --json "$work/file.json" \
  >"$work/table" 2>&1 || { fail "a table from its file"; cat "$work/table"; }
python3 - "$work" <<'PY' || fail "records"
import json, sys
drawn, file = (json.load(open(f"{sys.argv[1]}/{name}.json")) for name in ("drawn", "file"))
records = [one for one in drawn if one["op"] != "open"]
assert len(records) == len(drawn) - 1 and len(records) == len(file)
for one, other in zip(records, file):
    assert (one["op"], one["variant"], one["shape"]) == (other["op"], other["variant"], other["shape"])
    assert one["measured"] > 0 and one["samples"] > 0 and one["code_bytes"] == other["code_bytes"] > 0
    # How many rows its bounds left is of the table and the queries alone.
    assert one.get("statistics_per_user") == other.get("statistics_per_user"), (one, other)
variants = {one["variant"] for one in records if one["op"] == "top_k"}
assert {"prepared, scalar", "straight, scalar", "read-sum of the codes"} <= variants, variants
opened = next(one for one in drawn if one["op"] == "open")
assert opened["code_bytes"] == file[0]["code_bytes"] < opened["file_bytes"]
PY
[ $failed -eq 0 ] && echo "bench_serve: passed"
exit $failed
