"""Envelopes that hold providers' data, and their key."""

from __future__ import annotations

import base64
import logging
import multiprocessing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms_core.dialects.envelope import Envelope, key_of, opened, seal


def test_an_envelope_comes_back_as_it_was() -> None:
    envelope = Envelope(
        provider_extra={"google": {"parts": [1]}},
        calls={"c1": {"extra_content": "y"}},
        message={"z": []},
    )
    assert opened(seal(envelope)) == envelope


@given(position=st.integers(0, 60), flip=st.integers(1, 255))
def test_a_changed_envelope_is_not_opened(position: int, flip: int) -> None:
    prefix, _, sealed = seal(Envelope(calls={"c1": {"extra_content": "abc"}})).partition(".")
    data = bytearray(base64.urlsafe_b64decode(sealed))
    data[position % len(data)] ^= flip
    assert opened(f"{prefix}.{base64.urlsafe_b64encode(data).decode()}") is None


@given(st.text())
def test_nobody_elses_signature_is_opened(text: str) -> None:
    assert opened(text) is None
    assert opened(f"llms1.{text}") is None


def test_workers_that_start_at_once_have_the_same_key(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        keys = set(pool.map(key_of, [{"LLMS_HOME": str(tmp_path / "new")}] * 16))
    assert keys == {key_of({"LLMS_HOME": str(tmp_path / "new")})}
    assert [each.name for each in (tmp_path / "new").iterdir()] == ["signature.key"]
    assert (tmp_path / "new" / "signature.key").stat().st_mode & 0o077 == 0


def test_machines_share_a_key_that_is_given(tmp_path: Path) -> None:
    given_key = key_of({"LLMS_SIGNATURE_KEY": "ours", "LLMS_HOME": str(tmp_path)})
    assert given_key == key_of({"LLMS_SIGNATURE_KEY": "ours"})
    assert given_key != key_of({"LLMS_SIGNATURE_KEY": "theirs"})
    assert not list(tmp_path.iterdir())


def test_a_key_that_cannot_be_stored_lives_with_the_process(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        assert len(key_of({"LLMS_HOME": str(tmp_path / "file")})) == 32
    assert "LLMS_SIGNATURE_KEY" in caplog.text
