#!/usr/bin/env bash
# bench_data as a user meets it: short texts of every format leave complete records and no file behind,
# bad input ends with one line and a non-zero exit code. Nothing here looks at a time.
set -u
bench=${1:?build folder}/bench_data
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
refuse "no such folder" "--folder $work/none: no such folder" --folder "$work/none" --quick
refuse "no samples" "--samples" --samples 0
refuse "no text" "--megabytes" --megabytes 0
mkdir "$work/texts"
refuse "unwritable file" "$work/missing/data.json" --quick --folder "$work/texts" --json "$work/missing/data.json"

"$bench" --quick --folder "$work/texts" --json "$work/data.json" >"$work/table" 2>"$work/stderr" &&
  [ ! -s "$work/stderr" ] || { fail "every case"; cat "$work/stderr"; }
[ -z "$(ls -A "$work/texts")" ] || fail "files are left: $(ls -A "$work/texts")"
python3 - "$work" <<'PY' || fail "records"
import json, sys
work = sys.argv[1]
records = json.load(open(f"{work}/data.json"))
table = open(f"{work}/table").read()
names = [(record["what"], record["how"]) for record in records]
assert len(set(names)) == len(names) == 13, names
assert {what for what, _ in names} == {"interactions", "interactions, split and ranked",
                                       "relevance, split and ranked", "prepare", "cache"}
for record in records:
    assert record["what"] in table and record["how"] in table
    assert record["measured"] > 0 and record["rows"] > 100 and record["samples"] == 1
    assert abs(record["bytes_per_second"] * record["measured"] / record["bytes"] - 1) < 1e-9
    cached = record["what"] == "cache"
    assert (record["share"] is not None) == cached, record
    if cached:  # 39 fields and a label of four bytes a row are written, beside what is read
        assert record["moved_bytes"] - record["bytes"] == 160 * record["rows"], record
        # A label, 13 counts below 1000 and 26 fields, each in one, two or four bytes
        assert 40 * record["rows"] <= record["bytes"] <= 157 * record["rows"], record
        assert abs(record["limit"] / record["measured"] / record["share"] - 1) < 1e-9
prepared = next(record for record in records if record["what"] == "prepare" and "Criteo" in record["how"])
cached = next(record for record in records if record["what"] == "cache")
assert 0.75 < cached["rows"] / prepared["rows"] < 0.85, "four fifths are for training"
PY
[ $failed -eq 0 ] && echo "bench_data: passed"
exit $failed
