"""QuantizedEmbedding: rows, gradients, copies, compilation and export."""
import copy
import io
import pickle

import artifacts
import mgqe
import numpy as np
import pytest
from conftest import DIM, ITEMS, STORED, gmf

torch = pytest.importorskip("torch", minversion="2.4")
from mgqe.torch import QuantizedEmbedding  # noqa: E402

FORMS = {  # tiers and whether each has a codebook of its own
    "shared": ([(120, 256, 8), (ITEMS, 64, 8)], False),
    "one": ([(ITEMS, 200, 32)], False),
    "single-centroid": ([(5, 3, 4), (ITEMS, 1, 4)], False),
    "private-k": ([(120, 256, 8), (ITEMS, 16, 8)], True),
    "private-d": ([(120, 256, 16), (500, 17, 4), (ITEMS, 2, 2)], True),
}


@pytest.fixture(params=FORMS)
def form(request, tmp_path):
    """A layer, and its table as independently decoded."""
    tiers, private = FORMS[request.param]
    path = gmf(tmp_path / "m", 11, tiers=tiers, private=private)
    table = torch.from_numpy(artifacts.decode(*artifacts.read_tables(path)["item"]).copy())
    return QuantizedEmbedding.from_pretrained(path), table


@pytest.fixture
def layer(path):
    return QuantizedEmbedding.from_pretrained(path)


def ids_of(*shape):
    return torch.from_numpy(np.random.default_rng(12).integers(0, ITEMS, shape))


def test_rows_are_those_of_the_table(form):
    layer, table = form
    assert torch.equal(layer.weight, table)
    for ids in (ids_of(4, 3), ids_of(7).int(), ids_of(2, 1, 5)[:, :, ::2], torch.tensor(3),
                torch.empty(0, 2, dtype=torch.long)):
        rows = layer(ids)
        assert rows.shape == (*ids.shape, DIM) and torch.equal(rows, table[ids.long()])


@pytest.mark.parametrize("form", ["shared", "private-d"])
def test_half_codebooks(tmp_path, form):
    tiers, private = FORMS[form]
    path = gmf(tmp_path / "m", 11, tiers=tiers, private=private, half=True)
    table = torch.from_numpy(artifacts.decode(*artifacts.read_tables(path)["item"]).copy())
    layer = QuantizedEmbedding.from_pretrained(path)
    assert layer.codebook.dtype == torch.float32 and torch.equal(layer.weight, table)


@pytest.mark.parametrize("stages,rotated", [(1, True), (2, False), (3, True)])
@pytest.mark.parametrize("form", ["shared", "private-d"])
def test_stages_and_rotations(tmp_path, form, stages, rotated):
    tiers, private = FORMS[form]
    path = gmf(tmp_path / "m", 11, tiers=tiers, private=private, stages=stages, rotated=rotated)
    table = torch.from_numpy(artifacts.decode(*artifacts.read_tables(path)["item"]).copy())
    layer = QuantizedEmbedding.from_pretrained(path, freeze=False, padding_idx=9)
    ids = ids_of(4, 3)
    ids[ids == 9] = 8
    rows = layer(ids)
    # Each is within the sum of its products' magnitudes times a rounding or two a term.
    torch.testing.assert_close(rows, table[ids], rtol=0, atol=DIM * stages * 4 * 2**-24 * 8)
    assert torch.equal(layer(torch.tensor([9])), torch.zeros(1, DIM))
    rows.square().sum().backward()
    numeric = layer.codebook.grad.clone()
    layer.zero_grad()
    compiled = torch.export.export(layer, (ids,)).module()
    assert torch.equal(compiled(ids), rows)
    direction = torch.randn(layer.codebook.shape, generator=torch.Generator().manual_seed(1))
    double = copy.deepcopy(layer).double()
    with torch.no_grad():
        values = []
        for sign in (1, -1):
            moved = copy.deepcopy(double)
            moved.codebook += sign * 1e-4 * direction
            values.append(moved(ids).square().sum())
    slope = (values[0] - values[1]) / 2e-4
    torch.testing.assert_close((numeric * direction).sum().double(), slope, rtol=1e-4, atol=1e-3)
    other = QuantizedEmbedding(ITEMS, DIM, tiers, shared=not private, stages=stages, rotated=rotated,
                               padding_idx=9)
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other(ids), rows)
    assert (f"stages={stages}" in repr(other)) == (stages > 1) and ("rotated" in repr(other)) == rotated


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.parent.name)
def test_every_coded_table_of_stored_models(path):
    for name, (arrays, table) in artifacts.read_tables(path).items():
        if "tiers" in table:
            layer = QuantizedEmbedding.from_pretrained(path, name)
            assert np.array_equal(layer.weight.numpy(), artifacts.decode(arrays, table))
        else:
            with pytest.raises(mgqe.InvalidArgument, match=f"{table['scheme']}, which has no codes"):
                QuantizedEmbedding.from_pretrained(path, name)
    with pytest.raises(mgqe.NotFound, match="no table film"):
        QuantizedEmbedding.from_pretrained(path, "film")


def test_bounds(form):
    layer, _ = form
    for bad in ([ITEMS], [0, -1], [2**40]):
        with pytest.raises(IndexError, match="1200 rows"):
            layer(torch.tensor(bad))
    with pytest.raises(TypeError, match="int32 or int64"):
        layer(torch.tensor([0.0]))


def test_padding(path):
    layer = QuantizedEmbedding.from_pretrained(path, padding_idx=7, freeze=False)
    plain = QuantizedEmbedding.from_pretrained(path)
    ids = torch.tensor([[7, 1], [2, 7]])
    rows = layer(ids)
    assert torch.equal(rows[0, 0], torch.zeros(DIM)) and torch.equal(rows[1, 1], torch.zeros(DIM))
    assert torch.equal(rows[0, 1], plain(torch.tensor(1)))
    layer(torch.tensor([7, 7])).sum().backward()
    assert torch.equal(layer.codebook.grad, torch.zeros_like(layer.codebook))
    assert torch.equal(layer.weight[7], torch.zeros(DIM))
    assert QuantizedEmbedding.from_pretrained(path, padding_idx=-1).padding_idx == ITEMS - 1
    with pytest.raises(mgqe.InvalidArgument, match="padding_idx 1200"):
        QuantizedEmbedding.from_pretrained(path, padding_idx=ITEMS)


def test_gradient_of_the_codebook(form):
    """Against the same rows gathered by PyTorch from the decoded codebook, in f64."""
    layer, table = form
    assert not layer(ids_of(3)).requires_grad
    layer.codebook.requires_grad_(True)
    layer.double()
    ids, upstream = ids_of(50, 4), torch.randn(50, 4, DIM, dtype=torch.float64)
    layer(ids).backward(upstream)
    # The table's gradient by row, then each row's to where its codes point.
    rows = torch.zeros(ITEMS, DIM, dtype=torch.float64).index_add_(0, ids.reshape(-1),
                                                                   upstream.reshape(-1, DIM))
    expected, begin, place, base = torch.zeros_like(layer.codebook), 0, 0, 0
    for tier in layer.tiers:
        count, width = tier.end - begin, DIM // tier.subspaces
        codes = layer.codes[place:place + count * tier.subspaces].reshape(count, -1).long()
        for j in range(tier.subspaces):
            piece = slice(j * width, (j + 1) * width)
            expected[:, piece].index_add_(0, base + codes[:, j], rows[begin:tier.end, piece])
        begin, place = tier.end, place + count * tier.subspaces
        base += 0 if layer.shared else tier.centroids
    assert torch.allclose(layer.codebook.grad, expected, rtol=1e-12, atol=1e-12)


def test_fine_tuning_moves_the_codebook_alone(path):
    layer = QuantizedEmbedding.from_pretrained(path, freeze=False)
    ids, target = ids_of(256), torch.randn(256, DIM)
    codes = layer.codes.clone()
    optimizer = torch.optim.Adam(layer.parameters(), 0.05)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = (layer(ids) - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0] and torch.equal(layer.codes, codes)


def test_state_dict_and_copies(form):
    layer, table = form
    state = layer.state_dict()
    assert sorted(state) == ["codebook", "codes", "tier_ends"]
    stored = io.BytesIO()
    torch.save(state, stored)
    stored.seek(0)
    empty = QuantizedEmbedding(ITEMS, DIM, layer.tiers, shared=layer.shared)
    assert not torch.equal(empty.weight, table)
    empty.load_state_dict(torch.load(stored, weights_only=True))
    for other in (empty, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(other.weight, table) and repr(other) == repr(layer)
    copied = copy.deepcopy(layer)
    with torch.no_grad():
        copied.codebook.zero_()
    assert torch.equal(layer.weight, table)
    shifted = QuantizedEmbedding(ITEMS, DIM, [(ITEMS - 1, *layer.tiers[0][1:]), (ITEMS, *layer.tiers[-1][1:])],
                                 shared=layer.shared)
    with pytest.raises(RuntimeError, match="tier_ends are"):
        shifted.load_state_dict(state)


def test_dtypes_and_devices(form):
    layer, table = form
    ids = ids_of(9)
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        moved = copy.deepcopy(layer).to(dtype)
        assert moved.codes.dtype == torch.uint8 and moved.tier_ends.dtype == torch.int64
        assert torch.equal(moved(ids), table[ids].to(dtype))
    assert layer.to("meta")(ids.to("meta")).shape == (9, DIM)


def test_inside_a_larger_module(path):
    net = torch.nn.Sequential(QuantizedEmbedding.from_pretrained(path), torch.nn.Linear(DIM, 2))
    assert [name for name, value in net.named_parameters() if value.requires_grad] == ["1.weight", "1.bias"]
    net(ids_of(4)).sum().backward()
    assert net[0].codebook.grad is None


@pytest.mark.filterwarnings("ignore:.broadcast_buffers")
def test_data_parallel(path, tmp_path):
    distributed = torch.distributed
    if not distributed.is_available() or not distributed.is_gloo_available():
        pytest.skip("PyTorch without gloo")
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/rendezvous", rank=0, world_size=1)
    try:
        layer = QuantizedEmbedding.from_pretrained(path, freeze=False)
        parallel = torch.nn.parallel.DistributedDataParallel(layer, broadcast_buffers=False)
        parallel(ids_of(8)).sum().backward()
        alone = QuantizedEmbedding.from_pretrained(path, freeze=False)
        alone(ids_of(8)).sum().backward()
        assert torch.equal(layer.codebook.grad, alone.codebook.grad)
    finally:
        distributed.destroy_process_group()


# ---- quantizing a float table --------------------------------------------------------------------

def test_from_float_finds_the_clusters_there_are():
    random = torch.Generator().manual_seed(3)
    centers = 10 * torch.randn(4, 8, 4, generator=random)  # 4 subspaces of 8 clusters
    codes = torch.randint(0, 8, (2000, 4), generator=random)
    weight = torch.cat([centers[j][codes[:, j]] for j in range(4)], 1)
    layer = QuantizedEmbedding.from_float(weight, subspaces=4, centroids=8)
    assert torch.allclose(layer.weight, weight, atol=1e-4)


def test_from_float_nests_tiers():
    weight = torch.randn(3000, 16, generator=torch.Generator().manual_seed(4))

    def error(layer, rows):
        return (layer.weight[rows] - weight[rows]).square().mean().item()

    tiered = QuantizedEmbedding.from_float(weight, subspaces=4, centroids=(64, 8), tiers=(0.2,))
    assert [tuple(tier) for tier in tiered.tiers] == [(600, 64, 4), (3000, 8, 4)]
    assert tiered.codes.reshape(3000, 4)[600:].max() < 8 <= tiered.codes.reshape(3000, 4)[:600].max()
    head, tail = slice(0, 600), slice(600, 3000)
    small = QuantizedEmbedding.from_float(weight[600:], subspaces=4, centroids=8)
    alone = (small.weight - weight[600:]).square().mean().item()
    assert error(tiered, tail) <= 1.02 * alone  # the tail lost nothing to the head
    assert error(tiered, head) < 0.5 * error(tiered, tail)
    again = QuantizedEmbedding.from_float(weight, subspaces=4, centroids=(64, 8), tiers=[600])
    assert torch.equal(again.codes, tiered.codes) and torch.equal(again.codebook, tiered.codebook)


def test_from_float_assigns_the_nearest_centroid():
    weight = torch.randn(500, 8, generator=torch.Generator().manual_seed(5))
    layer = QuantizedEmbedding.from_float(weight, subspaces=2, centroids=32, rows_per_centroid=10)
    for j, piece in enumerate(weight.split(4, 1)):
        book = layer.codebook.detach()[:, 4 * j:4 * j + 4]
        distance = torch.cdist(piece.double(), book.double())
        chosen = distance.gather(1, layer.codes.reshape(-1, 2)[:, j:j + 1].long())
        assert (chosen[:, 0] <= distance.min(1).values + 1e-5).all()


def test_tables_that_are_none():
    weight = torch.randn(20, 8)
    from_float = QuantizedEmbedding.from_float
    for call, line in [
            (lambda: from_float(weight, subspaces=3), "3 subspaces do not divide"),
            (lambda: from_float(weight, subspaces=2, centroids=300), "300 centroids"),
            (lambda: from_float(weight, subspaces=2, centroids=(4, 8), tiers=(0.5,)), "8 centroids"),
            (lambda: from_float(weight, subspaces=2, centroids=(8, 4)), "2 numbers of centroids for 1"),
            (lambda: from_float(weight, subspaces=2, centroids=(8, 4), tiers=(21,)), "before it begins"),
            (lambda: from_float(weight[0], subspaces=2), "has shape .8,."),
            (lambda: from_float(weight.log(), subspaces=2), "not finite"),
            (lambda: QuantizedEmbedding(5, 8, []), "0 tiers"),
            (lambda: QuantizedEmbedding(5, 8, [(4, 2, 2)]), "end at row 4 of 5")]:
        with pytest.raises(mgqe.InvalidArgument, match=line):
            call()


# ---- the op, compilation, export -----------------------------------------------------------------

def arguments(layer, ids):
    return (ids, layer.codes, layer.codebook, layer.tier_ends, layer._tiers, layer._pieces,
            layer._same_subspaces, layer.shared)


@pytest.mark.filterwarnings("ignore")
def test_the_op_passes_opcheck(form):
    layer, _ = form
    op = torch.ops.mgqe.decode_rows.default
    for trained in (False, True):
        layer.codebook.requires_grad_(trained)
        for ids in (ids_of(6), ids_of(2, 3).int()):
            torch.library.opcheck(op, arguments(layer, ids))


@pytest.mark.filterwarnings("ignore")
def test_compiled(form):
    layer, table = form
    layer.codebook.requires_grad_(True)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True, dynamic=True)
    for count in (3, 17):
        ids = ids_of(count, 2)
        layer.codebook.grad = None
        rows = compiled(ids)
        assert torch.equal(rows, table[ids])
        rows.square().sum().backward()
        gradient, layer.codebook.grad = layer.codebook.grad, None
        layer(ids).square().sum().backward()
        assert torch.allclose(gradient, layer.codebook.grad)


@pytest.mark.filterwarnings("ignore")
def test_the_op_inside_compiled_code(layer):
    def use(ids, codebook):
        form = arguments(layer, ids)
        return torch.ops.mgqe.decode_rows(*form[:2], codebook, *form[3:]) * 2

    compiled = torch.compile(use, backend="aot_eager", fullgraph=True)
    assert torch.equal(compiled(ids_of(5), layer.codebook), 2 * layer(ids_of(5)))


class Tower(torch.nn.Module):
    """Something worth exporting: the mean of a user's items."""

    def __init__(self, items):
        super().__init__()
        self.items, self.top = items, torch.nn.Linear(DIM, 4)

    def forward(self, ids):
        return self.top(self.items(ids).mean(1))


@pytest.mark.filterwarnings("ignore")
def test_exported(form):
    tower = Tower(form[0]).eval()
    form[0].codebook.requires_grad_(True)  # as for fine-tuning, where eager mode takes the op
    rows = torch.export.Dim("rows", min=1, max=4096)
    program = torch.export.export(tower, (ids_of(3, 5),), dynamic_shapes=({0: rows},))
    assert "mgqe" not in str(program.graph)  # it runs where this package is not
    stored = io.BytesIO()
    torch.export.save(program, stored)
    stored.seek(0)
    loaded = torch.export.load(stored).module()
    for count in (1, 3, 40):
        assert torch.equal(loaded(ids_of(count, 5)), tower(ids_of(count, 5)))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", ["shared", "private-d"], indirect=True)
def test_onnx(form, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    layer, table = form
    padded = copy.deepcopy(layer)
    padded.padding_idx = 3
    for module, name in ((layer, "layer"), (padded, "padded")):
        path = str(tmp_path / f"{name}.onnx")
        torch.onnx.export(module.eval(), (ids_of(3, 5),), path, dynamo=True, verbose=False,
                          dynamic_shapes=({0: torch.export.Dim("rows", min=1, max=4096)},),
                          external_data=False)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        for count in (1, 30):
            ids = ids_of(count, 5)
            ids[0, 0] = 3
            rows, = session.run(None, {session.get_inputs()[0].name: ids.numpy()})
            assert np.array_equal(rows, module(ids).numpy())
    assert (tmp_path / "layer.onnx").stat().st_size < table.numel() * 4
