#!/usr/bin/env bash
# The command line as a user meets it: every kind of bad input ends with a non-zero exit code, one
# line on stderr and nothing half-written; a good run trains, evaluates, inspects and reports.
set -u
mgqe=${1:?build folder}/mgqe
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset MGQE_DATA_DIR
passed=0 failed=0

verdict() { # verdict OK NAME
  if [ "$1" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $2"; fi
}

# refuse NAME PATTERN ARGS...: exit code not 0, one line on stderr that matches PATTERN, no results.
refuse() {
  local name=$1 pattern=$2
  shift 2
  rm -rf "$work/out"
  "$mgqe" "$@" >"$work/stdout" 2>"$work/stderr"
  local code=$? lines
  lines=$(wc -l <"$work/stderr")
  [ $code -ne 0 ] && [ "$lines" -eq 1 ] && grep -qE -- "$pattern" "$work/stderr" &&
    [ ! -e "$work/out/result.json" ] && [ ! -e "$work/out/model.safetensors" ]
  local ok=$?
  [ $ok -ne 0 ] && { echo "exit $code, stderr:"; cat "$work/stderr"; }
  verdict $ok "$name"
}
train() { echo train --device cpu --epochs 1 --out "$work/out"; }

printf '1 1\n1 2\n1 3\n2 1\n2 2\n2 4\n' >"$work/good.txt"
printf '1 1\n1 x\n' >"$work/letter.txt"
printf '1 1\n1 4294967296\n' >"$work/huge.txt"
printf '1 1\n1 1\n1 1\n' >"$work/one_item.txt"
printf 'user,item\n,3\n' >"$work/empty_user.csv"
: >"$work/empty.txt"
gzip -c "$work/good.txt" | head -c 30 >"$work/cut.txt.gz"
echo "{ not json" >"$work/config.json"
echo "garbage" >"$work/garbage.safetensors"

# shellcheck disable=SC2046
{
  refuse "missing file" "missing.txt.*no such file" $(train) --data "$work/missing.txt"
  refuse "missing ml-1m" "fetch_data.sh" $(train) --data ml-1m
  refuse "truncated gzip" "cut.txt.gz.*truncated" $(train) --data "$work/cut.txt.gz"
  refuse "letter for a number" "letter.txt:2" $(train) --data "$work/letter.txt"
  refuse "id over 2^31-1" "huge.txt:2.*2147483647" $(train) --data "$work/huge.txt"
  refuse "one-item catalogue" "one_item.txt.*item" $(train) --data "$work/one_item.txt"
  refuse "empty user" "empty_user.csv:2" $(train) --data "$work/empty_user.csv"
  refuse "no interactions" "empty.txt" $(train) --data "$work/empty.txt"
  refuse "K over 256" "--centroids 300.*1 to 256" $(train) --data synthetic --centroids 300,64
  refuse "K of 0" "--centroids 0.*1 to 256" $(train) --data synthetic --centroids 256,0
  refuse "D does not divide d" "--subspaces 5 does not divide --dim 64" $(train) --data synthetic --subspaces 5
  refuse "tiers out of order" "out of order" $(train) --data synthetic --tiers 0.5,0.1 --centroids 256,64,16
  refuse "rising centroids" "largest first" $(train) --data synthetic --centroids 64,256
  refuse "unknown scheme" "--embedding magic.*low_rank.*mgqe" $(train) --data synthetic --embedding magic
  refuse "rank not below the dimension" "--rank 64.*1 to 63" $(train) --data synthetic --embedding low_rank --rank 64
  refuse "bits of a component" "--bits 17.*1 to 16" $(train) --data synthetic --embedding scalar_quantized --bits 17
  refuse "no buckets" "--buckets 0.*1 to 2147483647" $(train) --data synthetic --embedding hashed --buckets 0
  refuse "unknown model" "--model ncf.*gmf" $(train) --data synthetic --model ncf
  refuse "unknown flag" "--frobnicate" $(train) --data synthetic --frobnicate 1
  refuse "not a number" "--epochs" train --data synthetic --epochs many --out "$work/out"
  refuse "unknown device" "--device tpu.*auto, cpu, cuda" train --data synthetic --device tpu --out "$work/out"
  refuse "no --out" "--out" train --data synthetic --device cpu
  refuse "out is a file" "good.txt" train --data synthetic --device cpu --epochs 1 --out "$work/good.txt"
  refuse "out below a file" "good.txt" train --data synthetic --device cpu --epochs 1 --out "$work/good.txt/x"
  refuse "NaN loss" "not finite in epoch 1.*--lr" $(train) --data synthetic --synthetic-users 200 --synthetic-items 100 --synthetic-actions 10 --embedding full --lr 1e30
  refuse "config is not JSON" "config.json.*not JSON" $(train) --config "$work/config.json"
  refuse "evaluate: missing artifact" "nothing.safetensors" evaluate --artifact "$work/nothing.safetensors"
  refuse "evaluate: not an artifact" "garbage.safetensors" evaluate --artifact "$work/garbage.safetensors"
  refuse "inspect: not a file of ours" "garbage.safetensors" inspect "$work/garbage.safetensors"
  refuse "report: no run" "result.json" report "$work"
  refuse "evaluate takes no --config" "--config" evaluate --artifact "$work/nothing.safetensors" --config "$work/config.json"
  refuse "help: unknown command" "no command" help fly
}

small="--synthetic-users 300 --synthetic-items 200 --synthetic-actions 15 --dim 16 --subspaces 8 --centroids 32,8"
# shellcheck disable=SC2086
"$mgqe" train --data synthetic $small --device cpu --epochs 2 --out "$work/run" >"$work/stdout" 2>"$work/stderr"
verdict $? "train on synthetic data"
[ ! -s "$work/stderr" ]
verdict $? "train is silent on stderr where it is not a terminal"
for file in result.json metrics.jsonl model.safetensors checkpoint.safetensors; do
  [ -s "$work/run/$file" ]
  verdict $? "train writes $file"
done
[ "$(find "$work/run" -type f | wc -l)" -eq 4 ] && [ "$(wc -l <"$work/run/metrics.jsonl")" -eq 2 ]
verdict $? "nothing else is left behind, a metrics line an epoch"
printf '3 1\n' | cat "$work/good.txt" - >"$work/short.txt"
"$mgqe" train --data "$work/short.txt" --device cpu --epochs 1 --out "$work/short" >/dev/null 2>"$work/stderr" &&
  grep -q "1 users have too few actions" "$work/stderr"
verdict $? "users too short to evaluate are counted in a warning"
MGQE_LOG_LEVEL=off "$mgqe" train --data "$work/short.txt" --device cpu --epochs 1 --out "$work/short" >/dev/null 2>"$work/stderr" &&
  [ ! -s "$work/stderr" ]
verdict $? "MGQE_LOG_LEVEL=off is silent"
MGQE_LOG_LEVEL=loud refuse "unknown log level" "MGQE_LOG_LEVEL loud.*trace, debug" train --data "$work/short.txt" --device cpu --epochs 1 --out "$work/out"
"$mgqe" evaluate --artifact "$work/run/model.safetensors" >"$work/test.json" 2>"$work/stderr" && [ ! -s "$work/stderr" ] &&
  python3 - "$work/test.json" "$work/run/result.json" <<'PY'
import json, sys
printed, result = (json.load(open(path)) for path in sys.argv[1:])
sys.exit(printed != result["test"])
PY
verdict $? "evaluate prints the test object of result.json, to the last digit"
tiny="--synthetic-users 100 --synthetic-items 60 --synthetic-actions 10 --dim 8"
for scheme in full "low_rank --rank 3" "scalar_quantized --bits 5" "hashed --buckets 20" \
  "dpq_vq --subspaces 4 --centroids 17" "dpq_sx --subspaces 4 --centroids 17" \
  "mgqe --variant shared_k --subspaces 4 --centroids 17,4" \
  "mgqe --variant private_k --subspaces 4 --centroids 17,4" \
  "mgqe --variant private_d --subspaces 4,2 --centroids 17"; do
  rm -rf "$work/scheme"
  # shellcheck disable=SC2086
  "$mgqe" train --data synthetic $tiny --device cpu --epochs 1 --embedding $scheme --out "$work/scheme" >/dev/null 2>"$work/stderr" &&
    "$mgqe" evaluate --artifact "$work/scheme/model.safetensors" >"$work/test.json" 2>>"$work/stderr" &&
    "$mgqe" inspect --json "$work/scheme/model.safetensors" >"$work/inspect.json" 2>>"$work/stderr" &&
    python3 - "$work" "$scheme" <<'PY'
import json, sys
work, scheme = sys.argv[1:]
printed, result, inspected = (
    json.load(open(f"{work}/{name}")) for name in ("test.json", "scheme/result.json", "inspect.json"))
tables = inspected["tables"]
served = printed == result["test"] and inspected["task"] == "ranking"
sizes = inspected["size"] == result["size"] and all(
    table["scheme"] == scheme.split()[0] for table in tables.values())
sys.exit(not (served and sizes))
PY
  verdict $? "train, evaluate and inspect agree with --embedding $scheme"
done
refuse "evaluate on other data" "other data" evaluate --artifact "$work/run/model.safetensors" --synthetic-seed 9
head -c 3000 "$work/run/model.safetensors" >"$work/cut.safetensors"
refuse "evaluate: truncated artifact" "cut.safetensors" evaluate --artifact "$work/cut.safetensors"
"$mgqe" inspect "$work/run/model.safetensors" | grep -q "item.codebook"
verdict $? "inspect names the parts"
"$mgqe" inspect --json "$work/run/checkpoint.safetensors" | python3 -c 'import json, sys; json.load(sys.stdin)'
verdict $? "inspect --json is JSON"
"$mgqe" train --config "$work/run/result.json" --seed 2 --epochs 1 --out "$work/again" >/dev/null 2>&1 &&
  "$mgqe" report "$work/run" "$work/again" --markdown | grep -q "synthetic"
verdict $? "a result is a config; report reads both runs"
"$mgqe" help train | grep -q -- "--subspaces" && "$mgqe" train --help | grep -q "examples:"
verdict $? "help explains each option and shows examples"

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
