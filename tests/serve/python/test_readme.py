"""The README's code runs as it stands."""
import re
from pathlib import Path

import pytest
from conftest import SOURCE, gmf

README = SOURCE / "host" / "serve" / "python" / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.M | re.S)


def test_there_is_code():
    assert len(BLOCKS) == 2


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0])
def test_block(block, tmp_path, monkeypatch):
    if "import torch" in block:
        pytest.importorskip("torch", minversion="2.4")
    monkeypatch.chdir(tmp_path)
    gmf(Path("model.safetensors"))
    exec(compile(block, str(README), "exec"), {})


def test_inline_call(tmp_path):
    import mgqe
    call, = re.findall(r"`(model\.recommend\(histories=.*?)`", README.read_text())
    path = SOURCE / "tests" / "compatibility" / "ee2872a" / "sasrec-private-k" / "model.safetensors"
    with mgqe.open(path) as model:
        assert eval(call, {"model": model}).rows.shape == (2, 10)
