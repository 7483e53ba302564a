"""Bad calls raise the promised class with the values in the message."""

from __future__ import annotations

import pytest

import rushlight
from tests.helpers import check_raises
from tests.ops.case import Refusal
from tests.ops.cases import REFUSALS
from tests.ops.select import parameters


@pytest.mark.parametrize("refusal", parameters(REFUSALS))
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_refusal(refusal: Refusal) -> None:
    check_raises(lambda: refusal.call(rushlight), refusal.exception, refusal.match)
