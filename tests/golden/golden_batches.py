"""Batches of the golden trajectories: the same for every program that replays them.

Popular ids come again and again within a batch; what is to be learnt follows a planted taste.
"""

import numpy

SHORT_STEPS = {25: 20, 50: 20}  # pairs of the last batch of an epoch, which may be shorter
SHORT_SEQUENCES = {25: 3, 50: 3}  # likewise, sequences
UNSEEN = 3  # the rarest ids are in no batch: their rows stay, and are encoded all the same
HABIT = 0.7  # share of actions that follow from the one before


def labelled_pairs(random, config, steps):
    taste = numpy.sign(random.normal(size=(config["users"], 3)) @
                       random.normal(size=(3, config["items"])))
    for step in range(1, steps + 1):
        pairs = SHORT_STEPS.get(step, config["batch"])
        users, items = (zipf(random, config[side] - UNSEEN, pairs) for side in ("users", "items"))
        labels = (taste[users, items] > 0).astype(int)
        yield {"users": users, "items": items, "labels": labels}


def labelled_rows(random, config, steps):
    """Rows of a table that features share, one of each feature's range, and numbers beside them."""
    features, rows = config["features"], config["rows"]
    each = rows // features
    taste = random.normal(size=rows)
    for step in range(1, steps + 1):
        count = SHORT_STEPS.get(step, config["batch"])
        ids = numpy.stack([f * each + zipf(random, each, count) for f in range(features)], 1)
        dense = random.normal(size=(count, config["dense"])).astype(numpy.float32)
        labels = (taste[ids].sum(1) + dense.sum(1) > 0).astype(int)
        yield {"rows": ids.ravel(), "dense": dense, "labels": labels}


def scored_pairs(random, config, steps):
    """Scores of 0 to 100, as fractions."""
    traits = random.normal(size=(config["items"], 3))
    scores = numpy.clip(50 + 20 * traits @ traits.T, 0, 100).round() / 100
    for step in range(1, steps + 1):
        pairs = SHORT_STEPS.get(step, config["batch"])
        left, right = (zipf(random, config["items"] - UNSEEN, pairs) for _ in range(2))
        yield {"left": left, "right": right, "targets": scores[left, right]}


def sequences(random, config, steps):
    """The tokens of a batch of sequences, one after the other: sequence b is the tokens
    [offsets[b], offsets[b + 1]). The last token of a sequence has the highest position."""
    items, longest = config["items"] - UNSEEN, config["max_length"]
    for step in range(1, steps + 1):
        count = SHORT_SEQUENCES.get(step, config["batch"])
        lengths = random.integers(1, longest + 1, count)
        lengths[step % count] = 1  # never without the shortest
        lengths[(step + 1) % count] = longest
        actions = [walk(random, items, length + 1) for length in lengths]
        yield {"inputs": numpy.concatenate([each[:-1] for each in actions]),
               "positions": numpy.concatenate([numpy.arange(longest - length, longest)
                                               for length in lengths]),
               "positives": numpy.concatenate([each[1:] for each in actions]),
               "negatives": random.integers(items, size=lengths.sum()),
               "offsets": numpy.concatenate([[0], lengths.cumsum()])}


def walk(random, items, length):
    """Actions of one user."""
    actions = zipf(random, items, length)
    for t in numpy.flatnonzero(random.random(length - 1) < HABIT):
        actions[t + 1] = (3 * actions[t] + 1) % items
    return actions


def zipf(random, n, size):
    probability = 1.0 / numpy.arange(2, n + 2)
    return random.choice(n, size, p=probability / probability.sum())


def make_batches(random, config, steps):
    if config["model"] == "sasrec":
        make = sequences
    elif config.get("task") == "ctr":
        make = labelled_rows
    else:
        make = scored_pairs if config.get("task") == "relevance" else labelled_pairs
    return [{name: values.tolist() for name, values in batch.items()}
            for batch in make(random, config, steps)]
