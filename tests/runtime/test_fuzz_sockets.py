"""Datagrams and requests of arbitrary bytes: a message, or one error that is counted."""

from __future__ import annotations

import contextlib
import json

import numpy as np
from hypothesis import strategies as st
from tests.support.fuzz import damaged, fuzz, fuzzed

from latent_resonance import face_state
from latent_resonance.face_state import MESSAGE_BYTES, FaceState, neutral_features
from latent_resonance.link import requests
from latent_resonance.link.requests import KINDS, RequestError
from latent_resonance.voice.remote_control import RemoteControl

WHOLE = face_state.encode(FaceState(7, 123, True, neutral_features()))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=40,
)


@fuzzed
def test_a_datagram_of_any_bytes_is_a_valid_state_or_a_value_error() -> None:
    def check(data: bytes) -> None:
        with contextlib.suppress(ValueError):
            state = face_state.decode(data)
            assert np.isfinite(state.features).all()

    any_bytes = st.binary(min_size=MESSAGE_BYTES, max_size=MESSAGE_BYTES) | st.binary(max_size=200)
    fuzz(check, damaged(WHOLE) | any_bytes)


@fuzzed
def test_a_request_of_any_bytes_can_be_applied_or_is_refused() -> None:
    request = st.tuples(st.sampled_from(list(KINDS)), JSON).map(lambda pair: dict([pair]))
    texts = request.map(lambda each: json.dumps(each).encode())
    remote = RemoteControl()

    def check(data: bytes) -> None:
        with contextlib.suppress(RequestError):
            remote.apply(requests.decode(data), 1.0)

    fuzz(check, texts | st.binary(max_size=200) | damaged(b'{"override": {"mouth_open": 0.4}}'))
