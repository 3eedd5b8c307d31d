#!/usr/bin/env bash
# A grid over the GPUs of machines that ssh reaches: one process a GPU, all on one store. Every
# process is given the whole grid and takes what no other has taken. The same command goes on after
# any stop.
# usage: experiments/cluster/grid_ssh.sh HOST[:GPUS] [HOST[:GPUS]...] -- PROGRAM [OPTIONS]
#   HOST:GPUS  how many GPUs of HOST; 0 for its CPU; without it as many as nvidia-smi lists there
#              (`localhost` is this machine, without ssh)
#   PROGRAM    figure2, figure3 or ablation, with its options
# This folder must be at the same path on every host, built (build/release), and --store on a file
# system that all share. MGQE_DATA_DIR goes along. Logs: runs/grid-HOST-GPU.log.
# example: experiments/cluster/grid_ssh.sh a100-1:8 a100-2:8 -- figure2 --seeds 1..10 --store /shared/runs
# then:    build/release/figure2 --report-only --store /shared/runs
set -eu
cd "$(dirname "$0")/../.."

fail() { echo "grid_ssh: $1" >&2; exit 2; }
hosts=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  case $1 in
    --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) fail "unknown option $1; see --help" ;;
  esac
  hosts+=("$1")
  shift
done
[ ${#hosts[@]} -gt 0 ] || fail "name at least one host; see --help"
[ "${1:-}" = -- ] || fail "the grid comes after --; see --help"
shift
case ${1:-} in figure2 | figure3 | ablation) ;; *) fail "name figure2, figure3 or ablation after --" ;; esac
program=$1
shift
mkdir -p runs

# on HOST COMMAND: runs it there, in this folder
on() {
  local command
  command="cd $(printf %q "$PWD") && ${MGQE_DATA_DIR:+export MGQE_DATA_DIR=$(printf %q "$MGQE_DATA_DIR") && }$2"
  # -tt: when this script ends, what runs there ends too.
  if [ "$1" = localhost ]; then bash -c "$command"; else ssh -tt -o BatchMode=yes "$1" "$command" </dev/null; fi
}

options=$(printf '%q ' "$@")
names=() pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true' INT TERM
for entry in "${hosts[@]}"; do
  host=${entry%%:*} gpus=${entry#*:}
  [ "$gpus" != "$entry" ] || gpus=$(on "$host" "nvidia-smi -L" 2>/dev/null | grep -c '^GPU') || fail "$host: no GPU found there; give $host:0 for its CPU"
  [[ $gpus =~ ^[0-9]+$ ]] || fail "$entry: HOST or HOST:GPUS"
  devices=()
  for ((gpu = 0; gpu < gpus; ++gpu)); do devices+=("cuda:$gpu"); done
  [ "$gpus" -gt 0 ] || devices=(cpu)
  for device in "${devices[@]}"; do
    name=$host-${device#cuda:}
    on "$host" "exec build/release/$program $options--device $device --no-report" >"runs/grid-$name.log" 2>&1 &
    pids+=($!) names+=("$name")
  done
done
echo "${#pids[@]} processes; logs: runs/grid-*.log"
failed=0
for i in "${!pids[@]}"; do
  if wait "${pids[$i]}"; then state=done; else state="failed: $(tail -1 "runs/grid-${names[$i]}.log" | tr -d '\r')" failed=1; fi
  echo "${names[$i]}: $state"
done
exit $failed
