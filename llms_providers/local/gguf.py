"""Writes the file of a BERT model that llama.cpp reads, from one in Hugging Face's format.

Only the container changes: every number stays as it is.

https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

_VERSION = 3
_ALIGNMENT = 32

# GGUF's types of values.
_UINT32 = 4
_INT32 = 5
_FLOAT32 = 6
_BOOL = 7
_STRING = 8
_ARRAY = 9
#: GGUF's type of tensors of float32.
_F32_TENSOR = 0

# Types of tokens.
_NORMAL = 1
_UNKNOWN = 2
_CONTROL = 3
_UNUSED = 5

#: llama.cpp's number of mean pooling.
_MEAN_POOLING = 1
#: Marks a token that begins a word, where BERT marks those that do not (`##`).
_WORD_BEGINS = "\u2581"

#: Hugging Face's names of tensors -> GGUF's. In blocks, `{}` is the number of the block.
_TENSORS = {
    "embeddings.word_embeddings.weight": "token_embd.weight",
    "embeddings.position_embeddings.weight": "position_embd.weight",
    "embeddings.token_type_embeddings.weight": "token_types.weight",
    "embeddings.LayerNorm": "token_embd_norm",
}
_BLOCK_TENSORS = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}


class BertConfig(msgspec.Struct):
    """The members of `config.json` that llama.cpp needs."""

    hidden_size: int
    intermediate_size: int
    layer_norm_eps: float
    max_position_embeddings: int
    num_attention_heads: int
    num_hidden_layers: int
    type_vocab_size: int


class _Tensor(NamedTuple):
    name: str
    shape: Sequence[int]
    #: where its numbers are in the source file
    begin: int
    size: int


class _TensorHeader(msgspec.Struct):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


def convert_bert(folder: Path, name: str, target: IO[bytes]) -> None:
    """Write the model in `folder` (`config.json`, `vocab.txt`, `model.safetensors`) to a file.

    Raises ValueError if the weights are not float32, or a tensor is missing.
    """
    config = msgspec.json.decode((folder / "config.json").read_bytes(), type=BertConfig)
    tokens = (folder / "vocab.txt").read_text("utf-8").splitlines()
    with (folder / "model.safetensors").open("rb") as source:
        tensors = _find_tensors(source, config)
        target.write(_header(_metadata(name, config, tokens), tensors))
        target.write(b"\0" * (-target.tell() % _ALIGNMENT))
        for tensor in tensors:
            source.seek(tensor.begin)
            target.write(source.read(tensor.size))
            target.write(b"\0" * (-tensor.size % _ALIGNMENT))


def _find_tensors(source: IO[bytes], config: BertConfig) -> Sequence[_Tensor]:
    (length,) = struct.unpack("<Q", source.read(8))
    headers = msgspec.json.decode(source.read(length), type=dict[str, Any])
    data_begins = 8 + length
    tensors = []
    for theirs, ours in _names(config.num_hidden_layers):
        if theirs not in headers:
            raise ValueError(f"the tensor {theirs} is missing")
        header = msgspec.convert(headers[theirs], _TensorHeader)
        if header.dtype != "F32":
            raise ValueError(f"the tensor {theirs} is {header.dtype}, not F32")
        begin, end = header.data_offsets
        tensors.append(_Tensor(ours, header.shape, data_begins + begin, end - begin))
    return tensors


def _names(blocks: int) -> Iterator[tuple[str, str]]:
    """The names of all tensors, Hugging Face's and GGUF's."""
    for theirs, ours in _TENSORS.items():
        if theirs.endswith(".weight"):
            yield theirs, ours
        else:
            yield from _weight_and_bias(theirs, ours)
    for block in range(blocks):
        for theirs, ours in _BLOCK_TENSORS.items():
            yield from _weight_and_bias(f"encoder.layer.{block}.{theirs}", f"blk.{block}.{ours}")


def _weight_and_bias(theirs: str, ours: str) -> Iterator[tuple[str, str]]:
    for part in ("weight", "bias"):
        yield f"{theirs}.{part}", f"{ours}.{part}"


def _metadata(name: str, config: BertConfig, tokens: Sequence[str]) -> Mapping[str, bytes]:
    """The metadata of the file: a value of each key, encoded with its type."""
    special = {
        token: number
        for number, token in enumerate(tokens)
        if token.startswith("[") and token.endswith("]")
    }
    return {
        "general.architecture": _string("bert"),
        "general.name": _string(name),
        "general.alignment": _uint32(_ALIGNMENT),
        "bert.block_count": _uint32(config.num_hidden_layers),
        "bert.context_length": _uint32(config.max_position_embeddings),
        "bert.embedding_length": _uint32(config.hidden_size),
        "bert.feed_forward_length": _uint32(config.intermediate_size),
        "bert.attention.head_count": _uint32(config.num_attention_heads),
        "bert.attention.layer_norm_epsilon": struct.pack("<If", _FLOAT32, config.layer_norm_eps),
        "bert.attention.causal": struct.pack("<I?", _BOOL, False),
        "bert.pooling_type": _uint32(_MEAN_POOLING),
        "tokenizer.ggml.model": _string("bert"),
        "tokenizer.ggml.token_type_count": _uint32(config.type_vocab_size),
        "tokenizer.ggml.tokens": _array(_STRING, [_text(_gguf_token(token)) for token in tokens]),
        "tokenizer.ggml.token_type": _array(
            _INT32, [struct.pack("<i", _token_type(token)) for token in tokens]
        ),
        "tokenizer.ggml.padding_token_id": _uint32(special["[PAD]"]),
        "tokenizer.ggml.unknown_token_id": _uint32(special["[UNK]"]),
        "tokenizer.ggml.cls_token_id": _uint32(special["[CLS]"]),
        "tokenizer.ggml.bos_token_id": _uint32(special["[CLS]"]),
        "tokenizer.ggml.seperator_token_id": _uint32(special["[SEP]"]),
        "tokenizer.ggml.eos_token_id": _uint32(special["[SEP]"]),
        "tokenizer.ggml.mask_token_id": _uint32(special["[MASK]"]),
    }


def _token_type(word: str) -> int:
    if word == "[UNK]":
        return _UNKNOWN
    if word in ("[PAD]", "[CLS]", "[SEP]", "[MASK]"):
        return _CONTROL
    return _UNUSED if word.startswith("[unused") else _NORMAL


def _gguf_token(token: str) -> str:
    if _token_type(token) != _NORMAL:
        return token
    if token.startswith("##"):
        return token.removeprefix("##")
    return _WORD_BEGINS + token


def _header(metadata: Mapping[str, bytes], tensors: Sequence[_Tensor]) -> bytes:
    pieces = [b"GGUF", struct.pack("<IQQ", _VERSION, len(tensors), len(metadata))]
    for key, value in metadata.items():
        pieces += [_text(key), value]
    offset = 0
    for tensor in tensors:
        # GGUF names the dimension first whose numbers are adjacent.
        shape = tuple(reversed(tensor.shape))
        pieces += [
            _text(tensor.name),
            struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, _F32_TENSOR, offset),
        ]
        offset += tensor.size + -tensor.size % _ALIGNMENT
    return b"".join(pieces)


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _string(text: str) -> bytes:
    return struct.pack("<I", _STRING) + _text(text)


def _uint32(number: int) -> bytes:
    return struct.pack("<II", _UINT32, number)


def _array(kind: int, items: Sequence[bytes]) -> bytes:
    return struct.pack("<IIQ", _ARRAY, kind, len(items)) + b"".join(items)
