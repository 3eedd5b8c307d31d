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
train() { echo train --device cpu --out "$work/out"; }

printf '1 1\n1 2\n1 3\n2 1\n2 2\n2 4\n' >"$work/good.txt"
printf '1 1\n1 x\n' >"$work/letter.txt"
printf '1 1\n1 4294967296\n' >"$work/huge.txt"
printf '1 1\n1 1\n1 1\n' >"$work/one_item.txt"
printf 'user,item\n,3\n' >"$work/empty_user.csv"
: >"$work/empty.txt"
awk 'BEGIN { for (u = 1; u <= 60; ++u) for (k = 0; k < 12; ++k) print u, 1 + (u * u + k * k * k + u * k) % 40 }' >"$work/many.txt"
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
  # What the flags alone show to be wrong is refused before any data is looked for.
  before_data() { refuse "$1" "$2" $(train) --data "$work/missing.txt" "${@:3}"; }
  before_data "K over 256" "--centroids 300.*1 to 256" --centroids 300,64
  before_data "K of 0" "--centroids 0.*1 to 256" --centroids 256,0
  before_data "D does not divide d" "--subspaces 5 does not divide --dim 64" --subspaces 5
  before_data "tiers out of order" "--tiers.*out of order" --tiers 0.5,0.1 --centroids 256,64,16
  before_data "rising centroids" "--centroids.*largest first" --centroids 64,256
  before_data "unknown scheme" "--embedding magic.*low_rank.*mgqe" --embedding magic
  before_data "rank not below the dimension" "--rank 64.*1 to 63" --embedding low_rank --rank 64
  before_data "rank of 0" "--rank 0.*1 to 63" --embedding low_rank --rank 0
  before_data "no bits" "--bits 0.*1 to 16" --embedding scalar_quantized --bits 0
  before_data "too many bits" "--bits 17.*1 to 16" --embedding scalar_quantized --bits 17
  before_data "no buckets" "--buckets 0.*1 to 2147483647" --embedding hashed --buckets 0
  before_data "unknown variant" "--variant own.*shared_k, private_k or private_d" --variant own
  before_data "variant without tiers" "--variant private_k needs tiers.*--tiers" --variant private_k --centroids 256
  before_data "D_i without tiers" "--variant private_d needs tiers.*--subspaces" --variant private_d
  before_data "variant of another scheme" "--variant private_k.*--embedding mgqe, not full" --embedding full --variant private_k
  before_data "D_i does not divide d" "--subspaces 5 does not divide --dim 64" --variant private_d --subspaces 32,5
  before_data "several D in a shared codebook" "--subspaces has 2 values.*shared_k takes one" --subspaces 32,8
  before_data "tiers of dpq_vq" "--tiers is for --embedding mgqe: dpq_vq" --embedding dpq_vq --tiers 0.1
  before_data "unknown model" "--model ncf.*gmf, neumf, sasrec, dcn or dlrm" --model ncf
  before_data "unknown task" "--task rating.*ranking, relevance or ctr" --task rating
  before_data "relevance by a sequence backbone" "--task relevance.*--model gmf or neumf" --model sasrec --task relevance
  before_data "negatives of sasrec" "--negatives 4: --model sasrec takes 1" --model sasrec --negatives 4
  before_data "heads do not divide d" "--heads 5 does not divide --dim 64" --model sasrec --heads 5
  before_data "dropout of 1" "--dropout 1.*\[0, 1\)" --model sasrec --dropout 1
  before_data "a perceptron in gmf" "--mlp-dim is for --model neumf, not gmf" --mlp-dim 64
  before_data "pre-training of gmf" "--pretrain-epochs is for --model neumf, not gmf" --pretrain-epochs 2 --epochs 9
  before_data "nothing but pre-training" "--pretrain-epochs 3 must be below --epochs 3" --model neumf --pretrain-epochs 3 --epochs 3
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
  echo '{"config": {}, "test": {}}' >"$work/result.json"
  refuse "report: half a result" "$work/result.json: its result.json is not whole" report "$work/result.json"
  refuse "report: a run twice" "is named twice" report "$work/result.json" "$work/./result.json"
  rm "$work/result.json"
  refuse "unknown command" "no command bogus: train, evaluate" bogus
  before_data "negative seed" "--seed: -1 is not a whole number" --seed -1
  before_data "seed over 64 bits" "--seed: 99999999999999999999 is not" --seed 99999999999999999999
  refuse "evaluate takes no --config" "--config" evaluate --artifact "$work/nothing.safetensors" --config "$work/config.json"
  refuse "help: unknown command" "no command" help fly
}

small="--synthetic-users 300 --synthetic-items 200 --synthetic-actions 15 --dim 16 --subspaces 8 --centroids 32,8"
# shellcheck disable=SC2086
"$mgqe" train --data synthetic $small --device cpu --epochs 2 --out "$work/run" >"$work/stdout" 2>"$work/stderr"
verdict $? "train on synthetic data"
[ ! -s "$work/stderr" ]
verdict $? "train is silent on stderr where it is not a terminal"
last=checkpoints/step-000000000$(ls "$work/run/checkpoints" | tail -c 4)
for file in result.json metrics.jsonl model.safetensors "$last/manifest.json" "$last/rank-0000-of-0001.safetensors" "$last/best.safetensors"; do
  [ -s "$work/run/$file" ]
  verdict $? "train writes $file"
done
[ "$(find "$work/run" -type f | wc -l)" -eq 6 ] && [ "$(wc -l <"$work/run/metrics.jsonl")" -eq 2 ]
verdict $? "nothing else is left behind, a metrics line an epoch"
printf '3 1\n' | cat "$work/good.txt" - >"$work/short.txt"
"$mgqe" train --data "$work/short.txt" --device cpu --epochs 1 --out "$work/short" >/dev/null 2>"$work/stderr" &&
  grep -q "1 users have too few actions" "$work/stderr"
verdict $? "users too short to evaluate are counted in a warning"
OMP_NUM_THREADS=3,2 "$mgqe" train --data "$work/good.txt" --device cpu --epochs 1 --out "$work/short" 2>"$work/stderr" |
  grep -q ", 3 threads"
verdict $? "OMP_NUM_THREADS says how many threads"
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
  "lsq --bits 5" "quotient_remainder --buckets 9" "memcom --buckets 20" "mixed_dim --widths 8,3 --tiers 0.2" \
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
codes="--subspaces 4 --centroids 16,4"  # below the bytes of full tables, so that nothing is warned of
pairs="--task relevance --data relevance-synthetic --synthetic-pair-items 120 --synthetic-pairs 1500 --dim 8"
for run in "gmf --data synthetic $tiny $codes" \
  "neumf --data synthetic $tiny $codes --pretrain-epochs 1 --mlp-dim 12" \
  "sasrec --data synthetic $tiny $codes --max-length 6 --heads 2" \
  "gmf $pairs $codes" "neumf $pairs --embedding full --mlp-dim 12"; do
  rm -rf "$work/backbone"
  # shellcheck disable=SC2086
  "$mgqe" train --device cpu --epochs 2 --model $run --out "$work/backbone" >"$work/stdout" 2>"$work/stderr" &&
    [ ! -s "$work/stderr" ] && grep -qE "^test .*(HR@10|RMSE)" "$work/stdout" &&
    "$mgqe" evaluate --artifact "$work/backbone/model.safetensors" >"$work/test.json" 2>"$work/stderr" &&
    python3 - "$work" "$run" <<'PY'
import json, sys
work, run = sys.argv[1:]
printed, result = (json.load(open(f"{work}/{name}")) for name in ("test.json", "backbone/result.json"))
relevance = "relevance" in run
right_kind = ("rmse" in printed) == relevance and ("full" in printed) != relevance
recorded = result["config"]["model"]
named = recorded["name"] == run.split()[0] and recorded["task"] == ("relevance" if relevance else "ranking")
sys.exit(not (printed == result["test"] and right_kind and named))
PY
  verdict $? "train and evaluate agree with --model $run"
done
"$mgqe" derive-relevance --data "$work/many.txt" --pairs 400 --out "$work/pairs.tsv" >"$work/stdout" 2>"$work/stderr" &&
  grep -q "scored pairs of .* written to" "$work/stdout" && [ "$(grep -vc '^#' "$work/pairs.tsv")" -ge 100 ] &&
  "$mgqe" train --task relevance --data "$work/pairs.tsv" --device cpu --dim 8 --embedding full --epochs 2 --out "$work/derived" >/dev/null 2>"$work/stderr" &&
  "$mgqe" evaluate --artifact "$work/derived/model.safetensors" >"$work/test.json" 2>>"$work/stderr" &&
  grep -q rmse "$work/test.json"
verdict $? "train on the pairs that derive-relevance wrote"
"$mgqe" report "$work/run" "$work/derived" --markdown >"$work/stdout" 2>"$work/stderr" &&
  [ ! -s "$work/stderr" ] && [ "$(grep -c "sampled HR@10" "$work/stdout")" -eq 1 ] &&
  [ "$(grep -c "RMSE" "$work/stdout")" -eq 1 ] && grep -q "synthetic" "$work/stdout" && grep -q "pairs.tsv" "$work/stdout"
verdict $? "report sets runs of both tasks side by side"
refuse "evaluate on other data" "other data" evaluate --artifact "$work/run/model.safetensors" --synthetic-seed 9
head -c 3000 "$work/run/model.safetensors" >"$work/cut.safetensors"
refuse "evaluate: truncated artifact" "cut.safetensors" evaluate --artifact "$work/cut.safetensors"
"$mgqe" inspect "$work/run/model.safetensors" | grep -q "item.codebook"
verdict $? "inspect names the parts"
"$mgqe" inspect --json "$work/run/$last/rank-0000-of-0001.safetensors" | python3 -c 'import json, sys; json.load(sys.stdin)'
verdict $? "inspect --json is JSON"
"$mgqe" train --config "$work/run/result.json" --seed 2 --epochs 1 --out "$work/again" >/dev/null 2>&1 &&
  "$mgqe" report "$work/run" "$work/again" --markdown | grep -q "synthetic"
verdict $? "a result is a config; report reads both runs"
"$mgqe" help train | grep -q -- "--subspaces" && "$mgqe" train --help | grep -q "examples:"
verdict $? "help explains each option and shows examples"
"$mgqe" help train | tr '\n' ' ' | tr -s ' ' | grep -q "backbone: gmf, neumf, sasrec, dcn or dlrm"
verdict $? "help lists the backbones"

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
