#!/usr/bin/env bash
# --task ctr as people run it: a CSV with many columns, prepared, trained on, evaluated and inspected;
# and what it refuses. Argument: the build folder.
set -eu
mgqe=$(realpath "${1:?build folder}")/mgqe
cache=$(realpath "$1")/CMakeCache.txt
[ -x "$mgqe" ] || { echo "skipped: mgqe is not built"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

fail() { echo "$1"; exit 1; }
# refuses WHAT COMMAND...: exit code 2, and one line that holds WHAT
refuses() {
  local what=$1 code=0
  shift
  "$@" >out 2>err || code=$?
  [ "$code" = 2 ] || fail "exit code $code of $*: $(cat err)"
  [ "$(wc -l <err)" = 1 ] || fail "more than a line of $*: $(cat err)"
  grep -qF -- "$what" err || fail "no '$what' from $*: $(cat err)"
}

awk 'BEGIN {
  srand(7); print "click,user,ad,hour,price"
  for (r = 0; r < 6000; ++r) {
    user = int(400 * rand() * rand()); ad = int(150 * rand() * rand()); hour = int(24 * rand())
    taste = (user * 7 + ad * 3) % 5 - 2 + (hour > 12) + (rand() - 0.5)
    printf "%d,u%d,a%d,%d,%.2f\n", (taste > 0), user, ad, hour, 10 * rand()
  }
}' >clicks.csv
"$mgqe" prepare --in clicks.csv --label click --dense price --out clicks.cache >prepare.out

layers=(--task ctr --device cpu --dim 8 --subspaces 4 --hidden 16 --batch 256 --lr 0.01)
base=("$mgqe" train "${layers[@]}" --centroids 16,4)
train=("${base[@]}" --data clicks.cache --epochs 3)
for model in dcn dlrm; do
  "${train[@]}" --model $model --out $model >$model.out
  grep -q "test    AUC 0\.[5-9]" $model.out || fail "$model: $(grep test $model.out)"
  grep -q "table fields of" $model.out || fail "no word of which fields share a table"
  "$mgqe" evaluate --artifact $model/model.safetensors --data clicks.cache >evaluated.json
  python3 - $model evaluated.json <<'P'
import json, sys
result = json.load(open(sys.argv[1] + "/result.json"))
assert json.load(open(sys.argv[2])) == result["test"], result["test"]
assert result["data"]["fields"]["hour"] == 25, result["data"]  # and the row of what is unseen
assert result["data"]["dense"] == ["price"]
P
  "$mgqe" inspect $model/model.safetensors >inspected.out
  grep -qE "^user +one +fields +[0-9]+ +0–[0-9]+ in rows 0–[0-9]+, [0-9]+–[0-9]+ in rows " inspected.out ||
    fail "inspect does not say where the ids of a field lie: $(cat inspected.out)"
  "$mgqe" inspect --json $model/model.safetensors >inspected.json
  python3 - <<'P'
import json
artifact = json.load(open("inspected.json"))
features = artifact["fields"]["features"]
assert [f["name"] for f in features] == ["user", "ad", "hour"], features
assert artifact["fields"]["dense"] == ["price"], artifact["fields"]
rows = {}  # each row of a table is one id of one feature
for f in features:
    begin = 0
    for end, shift in f["runs"]:
        rows.setdefault(f["table"], []).extend(range(begin + shift, end + shift))
        begin = end
    assert begin == f["ids"], f
for table, of_it in rows.items():
    assert sorted(of_it) == list(range(artifact["tables"][table]["rows"])), table
P
done
"$mgqe" report dcn dlrm | grep -q dlrm || fail "report"
# A run that was stopped goes on.
"${train[@]}" --model dcn --out longer >/dev/null
"${base[@]}" --data clicks.cache --model dcn --epochs 4 --resume --out longer | grep -q "resume  " || fail "resume"

# Two ranks: the same batches, so nearly the same figures, with whole tables and with sharded ones.
ranks=
if command -v mpirun >/dev/null && grep -qE "MPI_CXX_FOUND:INTERNAL=TRUE|MPI_CXX_LIB_NAMES:STRING=.+" "$cache"; then
  ranks=2
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=1
  export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_mpi_yield_when_idle=1
  export ASAN_OPTIONS=detect_leaks=0  # Open MPI leaks at its end
  for shard in none rows; do
    mpirun -np $ranks "${train[@]}" --model dcn --shard $shard --out ranks-$shard >ranks.out 2>&1 ||
      fail "two ranks, --shard $shard: $(cat ranks.out)"
    python3 - $shard <<'P'
import json, sys
one, two = (json.load(open(f"{name}/result.json")) for name in ("dcn", f"ranks-{sys.argv[1]}"))
assert two["ranks"] == 2 and two["test"]["rows"] == one["test"]["rows"], two["test"]
assert abs(one["test"]["auc"] - two["test"]["auc"]) < 0.02, (one["test"], two["test"])
P
  done
fi

# A rate that falls after each evaluation without a better one, or after two in a row, and goes on
# falling where it stood.
falling=("${base[@]/#0.01/0.05}" --data clicks.cache --model dcn --lr-decay 0.1 --patience 0)
"${falling[@]}" --lr-patience 1 --epochs 8 --out falling >/dev/null
"${falling[@]}" --lr-patience 1 --epochs 5 --out stopped >/dev/null
"${falling[@]}" --lr-patience 1 --epochs 8 --resume --out stopped >/dev/null
"${falling[@]}" --lr-patience 2 --epochs 12 --out patient >/dev/null
python3 - <<'P'
import json
read = lambda run: [json.loads(line) for line in open(f"{run}/metrics.jsonl")]
def cuts_of(lines, patience):
    best, factor, worse, cuts = 0.0, 1.0, 0, 0
    for line in lines:
        assert abs(line["rate_factor"] - factor) < 1e-12, (patience, lines)
        worse = 0 if line["valid"]["auc"] > best else worse + 1
        best = max(best, line["valid"]["auc"])
        if worse > 0 and worse % patience == 0:
            factor *= 0.1
            cuts += 1
    return cuts
lines, patient = read("falling"), read("patient")
assert cuts_of(lines, 1) >= 1, [line["valid"]["auc"] for line in lines]
assert cuts_of(patient, 2) >= 1, [line["valid"]["auc"] for line in patient]
assert [line["rate_factor"] for line in lines] != [line["rate_factor"] for line in patient[:len(lines)]]
# At a thousandth of the rate, an epoch hardly changes what it finds.
settled = [line["train_loss"] for line in lines if line["rate_factor"] < 0.002]
assert not settled or max(settled) - min(settled) < 0.01, settled
again = read("stopped")
for one, other in zip(lines, again, strict=True):
    assert one["train_loss"] == other["train_loss"] and one["valid"] == other["valid"], (one, other)
P
refuses "--lr-patience 0" "${base[@]}" --data clicks.cache --model dcn --lr-patience 0 --epochs 1 --out no
refuses "--lr-decay 2" "${base[@]}" --data clicks.cache --model dcn --lr-decay 2 --epochs 1 --out no

# What it does not read is said, and stops nothing.
"${train[@]}" --model dcn --negatives 9 --dropout 0.5 --rank 4 --out unread >/dev/null 2>err
grep -qF -- "--dropout, --rank, --negatives: nothing of --task ctr --model dcn --embedding mgqe reads them" err ||
  fail "options that mean nothing: $(cat err)"
[ "$(wc -l <err)" = 1 ] || fail "more than a line: $(cat err)"

# Each field its own table.
"${train[@]}" --model dcn --codebook field --full-rows 30 --out field >field.out
grep -q "table field_user of" field.out || fail "--codebook field: $(cat field.out)"

# Capacity from a budget: the plan is said first, and what is written keeps it.
"$mgqe" train "${layers[@]}" --data clicks.cache --epochs 1 --model dcn --budget 60% --out budget >budget.out
python3 - <<'P'
import json, re
text, result = open("budget.out").read(), json.load(open("budget/result.json"))
assert re.search(r"^plan    full tables are trained for 2 epochs, and one more measures their rows\nbudget  [\d.]+ KiB of [\d.]+ KiB in full: .*\n        fields: ", text), text
embedding = result["config"]["embedding"]
assert embedding["budget"] == "60%" and len(embedding["centroids"]) == len(embedding["tiers"]) + 1, embedding
size = result["size"]
assert size["payload_bits"] <= 0.65 * size["full_bits"], size
P
grep -q "stay full: .* KiB; with --full-rows 0" budget.out || fail "which fields stay full: $(cat budget.out)"
"$mgqe" train "${layers[@]}" --data clicks.cache --epochs 1 --model dcn --budget 60% --full-rows 0 --out cut >cut.out
grep -q "stay full" cut.out && fail "no field stays full: $(cat cut.out)"
users=(--data synthetic --synthetic-users 300 --synthetic-items 400 --synthetic-actions 20 --dim 16
  --subspaces 4 --device cpu)
planned=(--budget 9000 --budget-warmup 1)
"$mgqe" train "${users[@]}" "${planned[@]}" --epochs 1 --out planned >planned.out
grep -q "^        user: .* ids of .* centroids.*KiB$" planned.out || fail "plan: $(cat planned.out)"
grep -q "^        item: " planned.out || fail "plan: $(cat planned.out)"
"$mgqe" train "${users[@]}" "${planned[@]}" --epochs 1 --out again >/dev/null
python3 - <<'P'
import json
read = lambda name: open(f"{name}/model.safetensors", "rb").read()
def arrays(file):
    end = 8 + int.from_bytes(file[:8], "little")
    header = json.loads(file[8:end])
    return {name: file[end + place["data_offsets"][0]:end + place["data_offsets"][1]]
            for name, place in header.items() if name != "__metadata__" and "pad" not in name}
assert arrays(read("planned")) == arrays(read("again")), "the same budget gave another model"
P
"$mgqe" evaluate --artifact planned/model.safetensors >evaluated.json
"$mgqe" train "${users[@]}" "${planned[@]}" --epochs 2 --resume --out planned >resumed.out
grep -q "^resume  " resumed.out || fail "a run with a plan does not go on: $(cat resumed.out)"
grep -q "^budget" resumed.out && fail "it was planned anew"
"$mgqe" train --config planned/result.json --epochs 1 --device cpu --out repeated >repeated.out
grep -q "^budget" repeated.out && fail "recorded sizes were planned anew"
refuses "exclude it" "$mgqe" train --config planned/result.json --tiers 0.3 --centroids 256,64 --out no
refuses "is not finite in epoch" "$mgqe" train "${users[@]}" "${planned[@]}" --lr 1e30 --out no
refuses "the least is" "$mgqe" train "${users[@]}" --budget 500 --out no
refuses "is no size: give a share" "$mgqe" train "${users[@]}" --budget ten --out no
refuses "--centroids and --tiers exclude it" "$mgqe" train "${users[@]}" --budget 9000 --tiers 0.3 --out no
refuses "--budget is for --embedding mgqe" "$mgqe" train "${users[@]}" --embedding full --budget 9000 --out no

# Weights of layers in fewer bytes.
for type in bf16 int8; do
  "${train[@]}" --model dcn --dense-type $type --out dense-$type >/dev/null
  "$mgqe" evaluate --artifact dense-$type/model.safetensors >evaluated.json
  python3 - $type <<'P'
import json, sys
read = lambda name: json.load(open(name))
small, wide = read(f"dense-{sys.argv[1]}/result.json"), read("dcn/result.json")
assert read("evaluated.json") == small["test"]
ratio = small["size"]["breakdown"]["dense_bytes"] / wide["size"]["breakdown"]["dense_bytes"]
assert ratio < {"bf16": 0.55, "int8": 0.4}[sys.argv[1]], ratio
assert abs(small["test"]["auc"] - wide["test"]["auc"]) < 0.01, (small["test"], wide["test"])
P
done

refuses "is no cache of rows: make one of it by" "${base[@]}" --model dcn --data clicks.csv --out no
refuses "no such file" "${base[@]}" --model dcn --data nothing.cache --out no
refuses "choose --model dcn or dlrm" "${train[@]}" --model gmf --out no
refuses "or add --task ctr" "$mgqe" train --model dcn --data clicks.cache --out no
refuses "--cross-layers 0 with --hidden 0" "$mgqe" train --task ctr --data clicks.cache --model dcn \
  --cross-layers 0 --hidden 0 --out no
refuses "--task ctr has no items" "${train[@]}" --model dcn --item-centroids 8 --out no
refuses "--task ctr takes frappe" "${base[@]}" --model dcn --data synthetic --out no
refuses "is about the fields of --task ctr" "$mgqe" train "${users[@]}" --codebook field --out no
refuses "is about the fields of --task ctr" "$mgqe" train --task ctr --data clicks.cache --model dcn \
  --embedding full --codebook field --out no
refuses "--user-centroids" "${train[@]}" --model dcn --user-centroids 8 --out no
[ ! -e no ] || fail "a refused run left its folder"
"$mgqe" prepare --train clicks.csv --label click --out whole.cache >/dev/null
refuses "has no rows of split" "${base[@]}" --model dcn --data whole.cache --out no
awk -F, 'NR > 1 { print $1 "," $2 "," $3 "|" $4 } NR == 1 { print "click,user,tags" }' clicks.csv >tags.csv
"$mgqe" prepare --in tags.csv --label click --bag 'tags:sep=|' --out tags.cache >/dev/null
"${base[@]}" --model dcn --data tags.cache --epochs 1 --bag-pooling sum --out tags >out 2>err ||
  fail "training on a field of several values: $(cat err)"
grep -q "and 1 of several values a row" out || fail "the first lines do not tell of it: $(cat out)"
# No rank knows how many values the bags of the others have, which the codebook's loss is a mean over;
# its weight here is such that a wrong number shows within an epoch. Later the order of sums does.
if [ -n "$ranks" ]; then
  several=("${base[@]/#0.01/0.5}" --model dcn --data tags.cache --epochs 1 --optimizer sgd --full-rows 0
    --codebook-weight 100)
  "${several[@]}" --out tags-one >/dev/null
  for shard in none rows; do
    mpirun -np $ranks "${several[@]}" --shard $shard --out "tags-$shard" >ranks.out 2>&1 ||
      fail "two ranks, bags, --shard $shard: $(cat ranks.out)"
    python3 - $shard <<'P'
import json, sys
one, two = (json.load(open(f"tags-{name}/result.json"))["train_loss"][0] for name in ("one", sys.argv[1]))
assert abs(one - two) < 1e-5 * one, (one, two)
P
  done
fi
"$mgqe" evaluate --artifact tags/model.safetensors --data tags.cache >test.json &&
  python3 -c 'import json; assert json.load(open("test.json")) == json.load(open("tags/result.json"))["test"]' ||
  fail "evaluate on a field of several values"
"${base[@]}" --model dcn --data tags.cache --epochs 1 --bag-length 1 --out short >out
grep -qE "rows have up to [2-9] values of tags, and --bag-length 1 reads the first" out || fail "no word of bags cut off"
refuses "--bag-length 0" "${base[@]}" --model dcn --data tags.cache --bag-length 0 --out no
# Of other data than it was trained on.
"$mgqe" prepare --in clicks.csv --label click --dense price --seed 2 --out other.cache >/dev/null
# A number so large that its cross products are none.
{ cat clicks.csv; for n in 1 2 3 4 5 6 7 8 9; do echo "1,u$n,a1,1,1e20"; done; } >large.csv
"$mgqe" prepare --in large.csv --label click --dense price:raw --out large.cache >/dev/null
code=0
"${base[@]}" --model dcn --cross-layers 8 --data large.cache --epochs 2 --out large >out 2>err || code=$?
[ $code = 2 ] && [ "$(wc -l <err)" = 1 ] && grep -qE "no finite logit|loss is not finite" err ||
  fail "exit code $code, $(cat err)"
refuses "was trained on other data" "$mgqe" evaluate --artifact dcn/model.safetensors --data other.cache
# Rows that come later, by the same ids: judged, predicted, and gone on with.
{ head -n 1 clicks.csv; tail -n 500 clicks.csv; echo "1,stranger,a1,3,2.5"; } >later.csv
"$mgqe" prepare --test later.csv --vocabulary-of clicks.cache --out later.cache >/dev/null
"$mgqe" evaluate --artifact dcn/model.safetensors --data later.cache --predictions later.predicted >later.json
python3 - <<'P'
import csv, json, math
rows = list(csv.DictReader(open("later.predicted")))
labels = [line.split(",")[0] for line in open("later.csv")][1:]
assert [row["label"] for row in rows] == labels, "rows are not in the order of the file"
scores = [(float(row["probability"]), row["label"] == "1") for row in rows]
loss = -sum(math.log(p if one else 1 - p) for p, one in scores) / len(scores)
positive, negative = ([p for p, one in scores if one == wanted] for wanted in (True, False))
auc = sum((p > n) + 0.5 * (p == n) for p in positive for n in negative) / len(positive) / len(negative)
told = json.load(open("later.json"))
assert told["rows"] == 501 and abs(told["logloss"] - loss) < 1e-6, (told, loss)
assert abs(told["auc"] - auc) < 1e-9, (told, auc)
P
# The same rows with their columns turned round.
python3 -c '
import csv
rows = list(csv.reader(open("later.csv")))
csv.writer(open("turned.csv", "w"), lineterminator="\n").writerows(row[::-1] for row in rows)'
"$mgqe" prepare --test turned.csv --vocabulary-of clicks.cache --out turned.cache >/dev/null
"$mgqe" evaluate --artifact dcn/model.safetensors --data turned.cache --predictions turned.predicted >turned.json
cmp -s turned.json later.json && cmp -s turned.predicted later.predicted || fail "columns in another order"
# What is read is not written over: the cache, what it was made of, the model.
for read in later.cache later.csv dcn/model.safetensors; do
  before=$(md5sum <$read)
  refuses "is the file that is read" "$mgqe" evaluate --artifact dcn/model.safetensors --data later.cache \
    --predictions $read
  [ "$(md5sum <$read)" = "$before" ] || fail "$read was written over"
done
refuses "its rows are values of many fields, not items" "$mgqe" similar --artifact dcn/model.safetensors --item 1
refuses "has no rows of split train" "${base[@]}" --data later.cache --model dcn --out no
refuses "predictions are of rows" "$mgqe" evaluate --artifact planned/model.safetensors --predictions no.csv
[ ! -e no.csv ] || fail "predictions of nothing were written"
"$mgqe" prepare --train later.csv --valid later.csv --test later.csv --vocabulary-of clicks.cache \
  --out next.cache >/dev/null
"${train[@]}" --model dcn --embedding full --out from >/dev/null
"${base[@]}" --data next.cache --model dcn --warm-start from/model.safetensors --epochs 1 --out next >next.out
grep -q "^start   at the rows" next.out || fail "warm start on later rows: $(cat next.out)"
"$mgqe" evaluate --artifact next/model.safetensors --data next.cache >/dev/null || fail "evaluate on its own data"
"${base[@]}" --data next.cache --model dcn --embedding full --epochs 1 --out later >/dev/null
"${base[@]}" --data next.cache --model dcn --warm-start later/model.safetensors --epochs 1 --out last >/dev/null ||
  fail "warm start on the rows that the model was trained on, of another's vocabulary"
refuses "for which this run has no layer" "${train[@]}" --model dcn --cross-layers 1 \
  --warm-start from/model.safetensors --out no
refuses "has mgqe rows of" "${train[@]}" --model dcn --warm-start dcn/model.safetensors --out no
# Tables that would be smaller in full.
"${base[@]}" --data clicks.cache --model dcn --embedding hashed --buckets 5000 --epochs 1 --out wide >/dev/null 2>err
grep -q "take more than full ones" err || fail "no word of tables above 100%: $(cat err)"
# What a budget cannot begin with is refused before its warm-up, in one line.
for budget in abc 0 -5% 100; do
  refuses "budget" "$mgqe" train "${users[@]}" --budget=$budget --budget-warmup 5000 --out no
  [ ! -s out ] || fail "said before --budget $budget was refused: $(cat out)"
done
refuses "is of --model dcn" "$mgqe" train "${users[@]}" --budget 9000 \
  --budget-warmup 5000 --warm-start dcn/model.safetensors --out no
# Where every field is small nothing is quantized.
"${base[@]}" --data clicks.cache --model dcn --embedding mgqe --full-rows 100000 --epochs 1 --out small >/dev/null 2>err
grep -q "no field has more than --full-rows 100000 rows" err || fail "no word of tables that are full: $(cat err)"
# A signal while a budget is planned.
"$mgqe" train "${users[@]}" --budget 9000 --budget-warmup 5000 --out warm >warm.out 2>err &
pid=$!
for _ in $(seq 100); do grep -q "^plan" warm.out && break; sleep 0.1; done
sleep 0.3
kill -TERM $pid
code=0
wait $pid || code=$?
[ $code = 0 ] || fail "exit code $code on SIGTERM: $(cat err)"
grep -q "interrupted by SIGTERM: the budget was not planned yet.*; go on with: .* --resume" err || fail "$(cat err)"
refuses "does not recommend" "$mgqe" recommend --artifact dcn/model.safetensors --user 1
