"""Recordings and checkpoints of arbitrary bytes: read, or refused with an error of ours."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import soundfile
import torch
from hypothesis import strategies as st
from tests.support.fuzz import damaged, fuzz, fuzzed
from torch import nn

from latent_resonance import LatentResonanceError
from latent_resonance_export.dataset.recordings.audio_reader import read_segment
from latent_resonance_export.dataset.recordings.probe import ProbeTask, probe
from latent_resonance_export.dataset.rejection import Rejection
from latent_resonance_export.pack.foreign.external_generator import read_checkpoint
from latent_resonance_export.pack.foreign.state_dicts import state_dicts

RATE = 16_000
SUFFIXES = (".aiff", ".flac", ".mp3", ".ogg", ".wav")


def recording(suffix: str) -> bytes:
    """Half a second of noise in two channels."""
    file, noise = io.BytesIO(), np.random.default_rng(0).normal(0, 0.1, (RATE // 2, 2))
    soundfile.write(file, noise, RATE, format=suffix[1:].upper())
    return file.getvalue()


def safetensors(state: dict[str, torch.Tensor]) -> bytes:
    """A file of float32 tensors; the format is at github.com/huggingface/safetensors."""
    table, data = {}, b""
    for name, tensor in state.items():
        values = tensor.numpy().astype(np.float32)
        offsets = [len(data), len(data) + values.nbytes]
        table[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": offsets}
        data += values.tobytes()
    head = json.dumps(table).encode()
    return len(head).to_bytes(8, "little") + head + data


def saved(content: object, *, as_zip: bool = True) -> bytes:
    """What torch.save writes today, or wrote before PyTorch 1.6."""
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=as_zip)
    return file.getvalue()


@fuzzed
def test_a_recording_of_any_bytes_is_read_or_refused_in_words(tmp_path: Path) -> None:
    whole = {suffix: recording(suffix) for suffix in SUFFIXES}

    def check(suffix: str, data: st.DataObject) -> None:
        path = tmp_path / f"sound{suffix}"
        path.write_bytes(data.draw(damaged(whole[suffix]) | st.binary(max_size=200)))
        found = probe(ProbeTask(path.name, os.fsencode(path), tmp_path))
        if isinstance(found, Rejection):
            assert found.detail
        else:
            segment = read_segment(found, 0, 1.0, 24_000)
            assert np.isfinite(segment.audio).all()
            assert "\n" not in segment.fault

    fuzz(check, st.sampled_from(SUFFIXES), st.data())


@fuzzed
def test_a_checkpoint_of_any_bytes_is_read_or_refused_in_words(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6))
    state = network.state_dict()
    content = {"g_ema": state, "network": network, "step": 3}
    whole = (saved(content), saved({"g": state}, as_zip=False), safetensors(state))

    path = tmp_path / "checkpoint"
    for each in whole:
        path.write_bytes(each)
        assert list(state_dicts(read_checkpoint(path, trust=False)))

    def check(which: int, data: st.DataObject) -> None:
        path.write_bytes(data.draw(damaged(whole[which]) | st.binary(max_size=200)))
        try:
            states = state_dicts(read_checkpoint(path, trust=False))
            assert all(name for name, _ in states)
        except LatentResonanceError as error:
            assert "\n" not in str(error)  # noqa: PT017  one of two valid outcomes

    fuzz(check, st.sampled_from(range(len(whole))), st.data())
