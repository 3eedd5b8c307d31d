"""What is asked of a GPU, in the order of what an answer tells: each stage a list of steps."""

from dataclasses import dataclass, field
from typing import Callable, Optional

import answers


@dataclass
class Step:
    name: str
    command: list           # words; "{out}" is the folder of the stage
    seconds: float          # expected, on 16 cores and a GPU of 2023 or later
    # (text of stdout and stderr, folder of the stage) -> what the page says of it
    read: Callable = answers.last_line
    environment: dict = field(default_factory=dict)
    needs: Optional[str] = None  # a program that has to be there, by name
    ok: tuple = (0,)             # exit codes that are no failure


@dataclass
class Stage:
    name: str
    question: str
    steps: list


# Rooms whose programs have instances named .../cuda, heaviest last.
ROOMS = ("base", "packed", "engine", "models", "train")

# compute-sanitizer makes a kernel ten to a hundred times as slow: one test of each kernel family.
SANITIZED = ":".join(f"Device/{suite}.*/cuda" for suite in (
    "Quantize", "AssignWithGradient", "Decode", "EmbeddingOps", "LayerNorm", "Linalg", "Optimizers",
    "Ranking", "ScoreRanking", "SideBySide"))
ATTENTION = "Device/Attention.*/cuda"

SCHEMES = {
    "full": [],
    "low_rank": ["--rank", "4"],
    "scalar_quantized": ["--bits", "4"],
    "hashed": ["--buckets", "64"],
    "lsq": ["--bits", "4"],
    "quotient_remainder": ["--buckets", "8"],
    "memcom": ["--buckets", "16"],
    "mixed_dim": ["--widths", "16,4"],
    "dpq_vq": ["--subspaces", "8", "--centroids", "32"],
    "dpq_sx": ["--subspaces", "8", "--centroids", "32"],
    "mgqe": ["--subspaces", "8", "--centroids", "32,8", "--tiers", "0.2"],
}
# Few steps: where two centroids are as near as rounding, a code goes either way, and a longer run with it.
SMALL = ["--data", "synthetic", "--synthetic-users", "60", "--synthetic-items", "50",
         "--synthetic-actions", "12", "--dim", "16", "--batch", "64", "--epochs", "1"]


def equality_steps(tools):
    steps = []
    for model in ("gmf", "neumf", "sasrec"):
        for scheme in tools.compared:
            options = SCHEMES[scheme]
            train = [tools.program("mgqe"), "train", *SMALL, "--model", model, "--embedding", scheme,
                     *options, *(["--max-length", "12"] if model == "sasrec" else [])]
            steps.append(Step(
                f"{model} {scheme}",
                [tools.python, tools.script("same_run.py"), "--out", "{out}/" + f"{model}-{scheme}",
                 "--", *train], 4))
    return steps


def training_steps(tools):
    steps = []
    for model, seconds in (("gmf", 30), ("neumf", 60), ("sasrec", 60)):
        for scheme in ("full", "mgqe"):
            epochs = ["--epochs", str(tools.epochs[model])]
            steps.append(Step(
                f"{model} {scheme}",
                [tools.program("mgqe"), "train", "--data", tools.data, "--model", model,
                 "--embedding", scheme, "--device", tools.device, *epochs, *tools.sizes,
                 "--out", "{out}/" + f"{model}-{scheme}"],
                seconds, answers.result_of("{out}/" + f"{model}-{scheme}")))
    return steps


def ops_step(tools, name, seconds, options):
    command = [tools.program("bench_ops"), "--device", tools.device, *options,
               *(["--quick"] if tools.quick else []), "--json", "{out}/ops.json"]
    return Step(name, command, seconds, answers.ops_of)


def bench_steps(tools):
    steps = [ops_step(tools, "bench_ops", 120, [])]
    for model in ("gmf", "neumf", "sasrec"):
        for scheme in ("full", "mgqe"):
            steps.append(Step(
                f"bench_train {model} {scheme}",
                [tools.program("bench_train"), "--device", tools.device, "--data", tools.data,
                 "--model", model, "--embedding", scheme, *tools.bench_train, *tools.sizes,
                 "--json", "{out}/" + f"train-{model}-{scheme}.json"], 10,
                answers.step_of("{out}/" + f"train-{model}-{scheme}.json")))
    if tools.torch:
        for model in ("gmf", "neumf", "sasrec"):
            steps.append(Step(
                f"against PyTorch: {model}",
                [tools.torch, tools.baseline("compare_training.py"), "--bench",
                 tools.program("bench_train"), "--python", tools.torch, "--device", "cuda",
                 "--data", tools.data, "--model", model, "--compile", "eager", "compiled",
                 "--out", "{out}/" + f"pytorch-{model}.json"], 90))
        steps.append(Step(
            "against PyTorch: ops",
            [tools.torch, tools.baseline("compare_ops.py"), "--bench", tools.program("bench_ops"),
             "--torch", tools.torch, "--device", "cuda", "--out", "{out}/pytorch-ops.json"], 240))
    return steps


def stages(tools):
    """tools: where programs, scripts and data are, and how much is asked of them."""
    mgqe = tools.program("mgqe")
    short = [tools.program("bench_train"), "--device", tools.device, "--data", "synthetic",
             "--synthetic-users", "300", "--synthetic-items", "200", "--synthetic-actions", "20",
             "--embedding", "mgqe", "--steps", "200", "--warmup", "20"]
    sanitizer = ["compute-sanitizer", "--error-exitcode", "99"]
    engine = tools.program("engine_test")
    return [
        Stage("probe", "Which device, and what are its ceilings?", [
            Step("device", ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,"
                            "compute_cap,clocks.max.sm", "--format=csv,noheader"], 2,
                 needs="nvidia-smi"),
            Step("a run", [mgqe, "train", *SMALL, *SCHEMES["mgqe"], "--device", tools.device,
                           "--out", "{out}/run"], 10, answers.result_of("{out}/run")),
            ops_step(tools, "ceilings", 15, ["--only", "^gather"]),
        ]),
        Stage("tests", "Does every test pass?", [
            *[Step(room, [tools.program(f"{room}_test"), "--gtest_filter=*/cuda" + tools.tests,
                          "--gtest_output=json:{out}/" + f"{room}.json"], seconds,
                   answers.tests_of("{out}/" + f"{room}.json"))
              for room, seconds in zip(ROOMS, (5, 5, 60, 120, 90))],
            Step("NCCL", [tools.program("comm_test"), "--gtest_filter=Nccl*",
                          "--gtest_output=json:{out}/nccl.json"], 20,
                 answers.tests_of("{out}/nccl.json")),
            Step("two ranks", ["mpirun", "-np", "2", tools.program("ranks_test"), "cuda"], 90,
                 answers.last_line, needs="mpirun", ok=(0, 77), environment={
                     "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
                     "OMPI_MCA_rmaps_base_oversubscribe": "1"}),
        ]),
        Stage("sanitizer", "What does compute-sanitizer see?", [
            *[Step(tool, [*sanitizer, "--tool", tool, *more, engine,
                          "--gtest_filter=" + tools.sanitized], 90,
                   answers.sanitizer, needs="compute-sanitizer")
              for tool, more in (("memcheck", ["--leak-check", "full"]), ("racecheck", []),
                                 ("initcheck", []), ("synccheck", []))],
            Step("memcheck, attention", [*sanitizer, "--tool", "memcheck", engine,
                                         "--gtest_filter=" + tools.attention], 90,
                 answers.sanitizer, needs="compute-sanitizer"),
        ]),
        Stage("equality", "Is a run on the GPU the one on the CPU: codes equal, floats in rounding?",
              equality_steps(tools)),
        Stage("training", "Does each backbone train?", training_steps(tools)),
        Stage("bench", "How fast, against the device and against PyTorch?", bench_steps(tools)),
        Stage("profile", "What bounds a step?", [
            Step("timeline", ["nsys", "profile", "--force-overwrite=true", "--output={out}/timeline",
                              "--stats=true", *short], 60, answers.last_line, needs="nsys"),
            Step("kernels", ["ncu", "--force-overwrite", "--export={out}/kernels",
                             "--section=SpeedOfLight", "--section=MemoryWorkloadAnalysis",
                             "--section=Occupancy", "--section=WarpStateStats",
                             "--launch-skip=100", "--launch-count=40", *short], 120,
                 answers.last_line, needs="ncu", environment={"MGQE_GRAPHS": "off"}),
        ]),
        Stage("grid", "How many runs of the grid an hour?", [
            Step("figure2", [tools.program("figure2"), "--device", tools.device, "--tasks", "gmf",
                             "--seeds", "1", "--budget", str(tools.grid_minutes), "--no-report",
                             "--store", "{out}/runs"],
                 60 * tools.grid_minutes + 30, answers.runs_of("{out}/runs")),
        ]),
    ]
