#!/usr/bin/env bash
# Artifacts and checkpoints written by older commits still open: a folder a commit, in it a folder a
# run. An artifact evaluates to the figures it had then, and training that goes on from a checkpoint
# ends where that commit's own program ended.
set -u
mgqe=$(cd "${1:?build folder}" && pwd)/mgqe
here=$PWD/tests/compatibility
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# same FILE KEY RESULT...: whether RESULT.json's figures are those of expected.json's KEY
same() { python3 - "$@" <<'PYTHON'
import json, math, sys
expected, result, *keys = sys.argv[1:]
expected, result = json.load(open(expected)), json.load(open(result))
for key in keys:
    expected = expected[key]
def differ(a, b, where):
    if isinstance(a, dict): return [d for k in a for d in differ(a[k], b.get(k), f"{where}.{k}")]
    if isinstance(a, list):
        return [d for i, x in enumerate(a) for d in differ(x, b[i], f"{where}[{i}]")]
    # processors differ in the last bits of what the C library computes
    same = math.isclose(a, b, rel_tol=1e-6) if isinstance(a, float) else a == b
    return [] if same else [f"{where}: was {a}, is {b}"]
wanted = {k: v for k, v in expected.items() if k in ("test", "train_loss")}
if "test" not in result: result = {"test": result}
found = differ(wanted, result, "")
print(*found, sep="\n", end="" if not found else "\n")
sys.exit(bool(found))
PYTHON
}
verdict() { # verdict OK NAME
  if [ "$1" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $2"; fi
}

for run in "$here"/*/*/; do
  name=$(basename "$(dirname "$run")")/$(basename "$run")
  "$mgqe" evaluate --device cpu --artifact "$run/model.safetensors" >"$work/test.json" &&
    same "$run/expected.json" "$work/test.json"
  verdict $? "$name: the artifact"
  [ -d "$run/checkpoints" ] || continue
  mkdir -p "$work/$name"
  cp -r "$run/checkpoints" "$work/$name"
  command=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["resume"]["command"])' "$run/expected.json")
  # shellcheck disable=SC2086
  "$mgqe" ${command/OUT/$work/$name} --resume >"$work/log" 2>&1 && grep -q "^resume  from step" "$work/log" &&
    same "$run/expected.json" "$work/$name/result.json" resume
  ok=$?
  [ $ok = 0 ] || tail -5 "$work/log"
  verdict $ok "$name: the checkpoint"
done
echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
