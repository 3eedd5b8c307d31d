#!/usr/bin/env bash
# bench_ops as a user meets it: tiny runs of every op leave complete records, bad input ends with one
# line and a non-zero exit code. Nothing here looks at a time.
set -u
bench=${1:?build folder}/bench_ops
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
sizes="--batch 40 --table-rows 300 --sequences 2 --users 5"
tiny="--device cpu --samples 1 $sizes"

fail() { echo "FAILED: $1"; failed=1; }

# refuse NAME PATTERN ARGS...: exit code not 0, one line on stderr that matches PATTERN, no output.
refuse() {
  local name=$1 pattern=$2
  shift 2
  "$bench" "$@" >"$work/stdout" 2>"$work/stderr" && fail "$name: exit code 0"
  [ "$(wc -l <"$work/stderr")" -eq 1 ] && grep -qE -- "$pattern" "$work/stderr" && [ ! -s "$work/stdout" ] ||
    { fail "$name"; cat "$work/stderr"; }
}
refuse "bad regular expression" "--only '\(\[' is no extended regular expression" --device cpu --only '(['
refuse "nothing matches" "--only 'no such op' matches no op.*--list" --device cpu --only 'no such op'
refuse "unknown device" "--device tpu is unknown" --device tpu
refuse "no samples" "--samples" --device cpu --samples 0
refuse "rows below 1" "--batch" --device cpu --batch -3
refuse "unwritable file" "$work/missing/ops.json" $tiny --only '^matmul' --json "$work/missing/ops.json"

# shellcheck disable=SC2086
"$bench" $tiny --list >"$work/list" || fail "--list"
# shellcheck disable=SC2086
"$bench" $tiny --json "$work/ops.json" >"$work/table" 2>"$work/stderr" && [ ! -s "$work/stderr" ] ||
  { fail "every op at tiny shapes"; cat "$work/stderr"; }
python3 - "$work" <<'PY' || fail "records"
import json, math, sys
work = sys.argv[1]
records = json.load(open(f"{work}/ops.json"))
labels = [" ".join([r["op"], *(f"{k}={v}" for k, v in r["shape"].items())]) for r in records]
assert labels == open(f"{work}/list").read().splitlines(), "a record a case, in the order of --list"
keys = {"op", "shape", "unit", "measured", "measured_min", "measured_max", "samples", "bytes", "flops",
        "bound", "limit", "share", "share_of_fma", "searched_width", "baseline_name", "baseline", "ratio", "baselines", "ceilings",
        "device", "device_description", "threads", "seed", "commit", "command"}
for record in records:
    assert set(record) == keys, set(record) ^ keys
    assert record["device"] == "cpu" and record["samples"] == 1 and record["unit"] == "seconds/call"
    assert record["bytes"] > 0 and record["flops"] >= 0
    ceilings = record["ceilings"]
    assert min(ceilings.values()) > 0
    fma = record["flops"] / ceilings["fma_flops_per_second"]
    limits = {"copy": record["bytes"] / ceilings["copy_bytes_per_second"], "fma": fma}
    assert math.isclose(record["share_of_fma"], fma / record["measured"])
    width = record["searched_width"]
    searches = record["op"].split()[0] == "assign"  # assign_with_gradient is not a search alone
    assert width == (64 // record["shape"]["D"] if searches else 0), record
    if searches:
        del limits["fma"]
        limits["slots"] = record["flops"] / ceilings[f"search_flops_per_second_width_{width}"]
    assert record["bound"] == max(limits, key=limits.get)
    assert math.isclose(record["limit"], max(limits.values()))
    assert math.isclose(record["share"], record["limit"] / record["measured"])
    if record["baselines"]:
        assert record["baseline"] == min(other["measured"] for other in record["baselines"])
        assert math.isclose(record["ratio"], record["baseline"] / record["measured"])
assert {r["baseline_name"] for r in records if r["op"] == "assign"} == {"plain loop"}
matmul = next(r for r in records if r["op"] == "matmul")  # 2 sequences of 200 tokens
assert matmul["flops"] == 2 * 400 * 64 * 64 and matmul["bytes"] == 4 * (400 * 64 * 2 + 64 * 64)
gather = next(r for r in records if r["op"] == "gather")
assert gather["bytes"] == 40 * (4 + 2 * 256)
PY
[ "$(tail -n +7 "$work/table" | wc -l)" -eq "$(wc -l <"$work/list")" ] || fail "a line of the table each"
# shellcheck disable=SC2086
"$bench" $tiny --only '^(matmul|gather) ' --json - | python3 -c '
import json, sys
assert {record["op"] for record in json.load(sys.stdin)} == {"matmul", "gather"}' || fail "--json - and --only"
# shellcheck disable=SC2086
"$bench" $tiny --only '^matmul' --markdown | grep -q '^| matmul | m=400 n=64 k=64 |' || fail "--markdown"
"$bench" --help | grep -q "examples:" || fail "help shows examples"

# The comparison joins records by op and shape; without baselines it keeps those of bench_ops.
experiments/baselines/compare_ops.py --bench "$bench" --only '^(assign rows.* K=64|matmul)' --rounds 2 \
  --samples 1 --threads 1 --bench-options="$sizes" --out "$work/joined.json" >"$work/table" 2>"$work/stderr" &&
  python3 - "$work/joined.json" <<'PY' || fail "compare_ops.py"
import json, statistics, sys
records = json.load(open(sys.argv[1]))
assert [record["op"] for record in records] == ["assign"] * 3 + ["matmul"]
for record in records:
    assert record["measured"] == statistics.median(record["measured_by_round"])
    assert len(record["measured_by_round"]) == 2 and record["threads"] == 1
assert records[0]["baseline_name"] == "plain loop" and records[-1]["baseline_name"] is None
PY
grep -q Error "$work/stderr" && cat "$work/stderr"
experiments/baselines/compare_ops.py --table "$work/joined.json" | cmp -s - "$work/table" && [ -s "$work/table" ] ||
  fail "compare_ops.py --table"
[ $failed = 0 ] && echo "all passed"
exit $failed
