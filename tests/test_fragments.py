"""Reduced equals full on programs made of fragments of kernel code."""

import random

import pytest

from tests.fragments import check, program


@pytest.mark.parametrize("seed", range(8))
def test_full_and_reduced_search_agree(seed):
    chance = random.Random(seed)
    for _ in range(40):
        check(program(chance))
