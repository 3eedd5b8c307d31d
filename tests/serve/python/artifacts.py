"""Artifacts of numbers, written by NumPy alone, and what their rows decode to.

Nothing here knows the code under test: it follows the description of the file.
"""
import json
import zlib

import numpy as np

ALIGNMENT = 64
TYPES = {"float32": "F32", "float16": "F16", "uint8": "U8", "int32": "I32", "int64": "I64"}


# ---- packing, bit by bit ------------------------------------------------------------------------

def code_bits(centroids):
    return int(centroids - 1).bit_length()


def pack(codes, bits):
    """u8 (n, ceil(D bits / 8)): code j of a row is bits [j b, (j + 1) b) of it, lowest first."""
    rows, subspaces = codes.shape
    spread = (codes[:, :, None] >> np.arange(bits)) & 1
    return np.packbits(spread.reshape(rows, subspaces * bits).astype(np.uint8), axis=1,
                       bitorder="little")


def unpack(packed, subspaces, bits):
    """The inverse, int64 (n, D)."""
    spread = np.unpackbits(packed, axis=1, bitorder="little")[:, :subspaces * bits]
    return spread.reshape(len(packed), subspaces, bits).astype(np.int64) @ (1 << np.arange(bits))


# ---- decoding -----------------------------------------------------------------------------------

def decode_coded(arrays, table):
    """f32 (rows, stages * dim) of codes into codebooks."""
    tiers = []
    for number, tier in enumerate(table["tiers"]):
        book = arrays.get("codebook", arrays.get(f"codebook.{number}"))
        bits, subspaces = code_bits(tier["centroids"]), tier["subspaces"] * table.get("stages", 1)
        packed = arrays[f"codes.{number}"]
        codes = unpack(packed, subspaces, bits) if bits else np.zeros((len(packed), subspaces), int)
        width = table["dim"] // tier["subspaces"]
        pieces = [book[codes[:, j], j * width:(j + 1) * width] for j in range(subspaces)]
        tiers.append(np.concatenate(pieces, 1))
    return np.concatenate(tiers).astype(np.float32)


def rotate_back(stages, arrays, table):
    """f32 (rows, dim): stages added in f32, then rotated by sums in f64, both in order."""
    dim = table["dim"]
    rows = stages[:, :dim]
    for stage in range(1, table["stages"]):
        rows = rows + stages[:, stage * dim:(stage + 1) * dim]
    if not table["rotated"]:
        return rows
    back = np.zeros(rows.shape)
    for column in range(dim):
        back += rows[:, column:column + 1].astype(np.float64) * arrays["rotation"][column].astype(np.float64)
    return back.astype(np.float32)


def hash_buckets(rows, buckets):
    with np.errstate(over="ignore"):
        z = np.arange(rows, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z % np.uint64(buckets)).astype(np.int64)


def decode(arrays, table):
    """f32 (rows, dim) of a table of any scheme; of low_rank and mixed_dim f64, whose sums have no
    stated order."""
    scheme = table["scheme"]
    if scheme == "full":
        return arrays["table"]
    if scheme == "low_rank":
        return arrays["factor"].astype(np.float64) @ arrays["basis"].astype(np.float64)
    if scheme == "quotient_remainder":
        quotient, remainder = np.divmod(np.arange(table["rows"]), table["buckets"])
        return arrays["quotients"][quotient] * arrays["remainders"][remainder]
    if scheme == "memcom":
        return arrays["table"][np.arange(table["rows"]) % table["buckets"]] * arrays["factors"][:, None]
    if scheme == "mixed_dim":
        blocks = [(arrays[f"table.{i}"].astype(np.float64), arrays.get(f"projection.{i}"))
                  for i in range(len(table["blocks"]))]
        return np.concatenate([own if projection is None else own @ projection.astype(np.float64)
                               for own, projection in blocks])
    if scheme in ("hashed", "multiplexed"):
        return arrays["table"][hash_buckets(table["rows"], table["buckets"])]
    if scheme in ("scalar_quantized", "lsq"):
        cells = unpack(arrays["cells"], table["dim"], table["bits"])
        low, high = arrays["low"].astype(np.float64), arrays["high"].astype(np.float64)
        width = (high - low) / (1 << table["bits"])
        return (low + (cells + 0.5) * width).astype(np.float32)
    if scheme == "prq":
        return rotate_back(decode_coded(arrays, table), arrays, table)
    return decode_coded(arrays, table)


def read(path):
    """Arrays and metadata of a safetensors file."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    metadata = header.pop("__metadata__")
    types = {short: name for name, short in TYPES.items()}
    arrays = {}
    for name, info in header.items():
        begin, end = (8 + length + offset for offset in info["data_offsets"])
        arrays[name] = np.frombuffer(data[begin:end], types[info["dtype"]]).reshape(info["shape"])
    return arrays, metadata


def read_tables(path):
    """Of an artifact: {table: (arrays by their names in it, description)}."""
    arrays, metadata = read(path)
    return {name: ({array[len(name) + 1:]: values for array, values in arrays.items()
                    if array.startswith(name + ".")}, table)
            for name, table in json.loads(metadata["tables"]).items()}


# ---- writing ------------------------------------------------------------------------------------

def staged_table(random, rows, dim, tiers, stages, rotated, private=False, integral=False):
    """As coded_table, in stages; the rotation is of signs where `integral`, so that it is exact."""
    arrays, table = coded_table(random, rows, dim * stages, [
        (end, centroids, subspaces * stages) for end, centroids, subspaces in tiers], private, integral)
    table.update(scheme="prq", dim=dim, stages=stages, rotated=rotated)
    for tier in table["tiers"]:
        tier["subspaces"] //= stages
    if rotated:
        rotation = np.linalg.qr(random.standard_normal((dim, dim)))[0]
        if integral:
            rotation = np.eye(dim)[random.permutation(dim)] * random.choice([-1.0, 1.0], dim)
        arrays["rotation"] = rotation.astype(np.float32)
    return arrays, table


def with_half_codebooks(arrays, table):
    """The same with centroids of float16."""
    halved = {name: values.astype(np.float16) if name.startswith("codebook") else values
              for name, values in arrays.items()}
    return halved, {**table, "codebook_type": "f16"}


def coded_table(random, rows, dim, tiers, private=False, integral=False):
    """Arrays and description of random codes; tiers are (end, centroids, subspaces). Centroids are
    small integers where `integral`, so that sums of products are exact in any order."""
    def book(centroids):
        values = random.integers(-2, 3, (centroids, dim)) if integral else \
            random.standard_normal((centroids, dim))
        return values.astype(np.float32)

    table = {"scheme": "mgqe", "rows": rows, "dim": dim, "private_codebooks": private,
             "tiers": [{"end": end, "centroids": centroids, "subspaces": subspaces}
                       for end, centroids, subspaces in tiers]}
    arrays = {} if private else {"codebook": book(tiers[0][1])}
    begin = 0
    for number, (end, centroids, subspaces) in enumerate(tiers):
        if private:
            arrays[f"codebook.{number}"] = book(centroids)
        codes = random.integers(0, centroids, (end - begin, subspaces))
        arrays[f"codes.{number}"] = pack(codes, code_bits(centroids))
        begin = end
    return arrays, table


def id_arrays(entity, ids, version):
    """Arrays of an entity's ids: integers, or texts."""
    name = f"ids.{entity}"
    order = {f"{name}.order": np.array(sorted(range(len(ids)), key=lambda r: (
        ids[r].encode() if isinstance(ids[r], str) else ids[r], r)), np.int32)} if version > 2 else {}
    if len(ids) == 0 or not isinstance(ids[0], str):
        return {name: np.asarray(ids, np.int64), **order}
    texts = [one.encode() for one in ids]
    ends = np.cumsum([0] + [len(one) for one in texts]).astype(np.int64)
    return {f"{name}.text": np.frombuffer(b"".join(texts), np.uint8), f"{name}.offsets": ends, **order}


def write(path, tables, ids, dense, version=3, backbone="gmf", task="ranking"):
    """tables: {name: (arrays, description)}; ids: {entity: a list, or a number of rows whose ids are
    their numbers}; dense: the backbone's arrays."""
    arrays = {f"{name}.{array}": values for name, (own, _) in tables.items()
              for array, values in own.items()}
    arrays.update(dense)
    entities = {}
    for entity, own in ids.items():
        count = own if isinstance(own, int) else len(own)
        text = not isinstance(own, int) and count > 0 and isinstance(own[0], str)
        entities[entity] = {"rows": count,
                            "ids": "rows" if isinstance(own, int) else "text" if text else "integers"}
        if not isinstance(own, int):
            arrays.update(id_arrays(entity, own, version))
    metadata = {"format": "mgqe-artifact", "version": str(version), "backbone": backbone,
                "task": task, "config": "{}", "seed": "7", "best_epoch": "1",
                "data_fingerprint": "123", "commit": "0", "device": "cpu", "crc32": "00000000",
                "tables": json.dumps({name: table for name, (_, table) in tables.items()})}
    if version > 2:
        metadata["entities"] = json.dumps(entities)
    path.write_bytes(safetensors(arrays, metadata, ALIGNMENT if version > 2 else 8))


def safetensors(arrays, metadata, alignment):
    """The bytes of a file: arrays one after the other, widest elements first, those of zeros named
    pad.N between them; the header padded, and the checksum put into it."""
    header, body = {}, bytearray()

    def add(name, values):
        header[name] = {"dtype": TYPES[values.dtype.name], "shape": list(values.shape),
                        "data_offsets": [len(body), len(body) + values.nbytes]}
        body.extend(np.ascontiguousarray(values).tobytes())

    for name in sorted(arrays, key=lambda one: (-arrays[one].itemsize, one)):
        if short := -len(body) % alignment:
            if alignment > 8:
                add(f"pad.{sum(one.startswith('pad.') for one in header)}", np.zeros(short, np.uint8))
        add(name, arrays[name])
    text = json.dumps({"__metadata__": metadata, **header}, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % alignment)
    data = len(text).to_bytes(8, "little") + text + bytes(body)
    return data.replace(b'"crc32":"00000000"', b'"crc32":"%08x"' % zlib.crc32(data[8:]), 1)
