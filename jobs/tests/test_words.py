"""Sentences that people meet: there is one for everything that can go wrong, and it says what to do."""

import re

import pytest

from datasets.outcomes import Outcome, Reason, outcome_of
from jobs.words import DAMAGES, FAILURES, meaning

#: What a sentence that only tells what happened lacks.
_TO_DO = re.compile(
    r"[Rr]etry|[Ll]eave|[Cc]heck|[Ff]etch|[Ee]xclude|[Dd]ecide|[Ff]ree|[Mm]ake room|[Oo]pen|[Hh]elps|[Aa]dmin"
)


@pytest.mark.parametrize("reason", [reason for reason in Reason if outcome_of(reason) is Outcome.FAILED])
def test_every_failure_has_a_sentence(reason: Reason) -> None:
    assert reason.value in FAILURES


@pytest.mark.parametrize("reason", [*FAILURES, *DAMAGES])
def test_a_sentence_says_what_it_means_and_what_to_do(reason: str) -> None:
    told = meaning(reason)
    Reason(reason)
    assert _TO_DO.search(told), told
    assert told.endswith(".")
    assert "!" not in told
    assert 1 <= len(re.findall(r"[.;:] [A-Za-z]", told)) <= 3, told
