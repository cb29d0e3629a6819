"""Who gets into an export, and the reason of who does not."""

from dataclasses import dataclass

import pytest

from datasets.exports.policy import SENTENCES, Obstacle, Policy
from datasets.licences import known_licence, licence_name, licence_url


@dataclass(frozen=True)
class Rights:
    licence_code: str = "by"
    ml_use: str = "unknown"


def policy(**asked: bool) -> Policy:
    return Policy(**{"commercial_use": False, "changes": False, "ml_training": False, **asked})


@pytest.mark.parametrize(
    ("code", "commercial", "changes"),
    [
        ("cc0", True, True),
        ("pdm", True, True),
        ("by", True, True),
        ("by-sa", True, True),
        ("by-nd", True, False),
        ("by-nc", False, True),
        ("by-nc-sa", False, True),
        ("by-nc-nd", False, False),
    ],
)
def test_a_licence_opens_what_its_terms_allow(code: str, commercial: bool, changes: bool) -> None:
    rights = Rights(licence_code=code)
    assert policy().obstacle(rights) is None
    assert (policy(commercial_use=True).obstacle(rights) is None) is commercial
    assert (policy(changes=True).obstacle(rights) is None) is changes


def test_the_reason_names_the_term_that_forbids() -> None:
    assert policy(commercial_use=True).obstacle(Rights("by-nc")) is Obstacle.NO_COMMERCIAL_USE
    assert policy(changes=True).obstacle(Rights("by-nd")) is Obstacle.NO_CHANGES


@pytest.mark.parametrize("code", ["unknown", "", "all rights reserved", "by-xx", "©"])
def test_an_unknown_licence_stays_out_until_the_user_says_otherwise(code: str) -> None:
    assert policy().obstacle(Rights(code)) is Obstacle.LICENCE_UNKNOWN
    assert policy(allow_unknown_licence=True, commercial_use=True, changes=True).obstacle(Rights(code)) is None


@pytest.mark.parametrize("ml_use", ["restricted", "noai", ""])
def test_restricted_machine_use_stays_out_of_training_until_the_user_says_otherwise(ml_use: str) -> None:
    rights = Rights(ml_use=ml_use)
    assert policy(ml_training=True).obstacle(rights) is Obstacle.ML_RESTRICTED
    assert policy(ml_training=True, allow_ml_restricted=True).obstacle(rights) is None
    assert policy(ml_training=False).obstacle(rights) is None


@pytest.mark.parametrize("ml_use", ["allowed", "unknown"])
def test_machine_use_that_nobody_restricts_is_no_obstacle(ml_use: str) -> None:
    assert policy(ml_training=True).obstacle(Rights(ml_use=ml_use)) is None


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("CC BY-SA 4.0", "CC BY-SA"),
        ("cc-by-4.0", "CC BY"),
        ("cc_by_nc_nd 2.0", "CC BY-NC-ND"),
        ("by-sa", "CC BY-SA"),
        ("CC0 1.0", "CC0"),
        ("publicdomain", "Public domain"),
        ("cc-by-3.0-de", "CC BY"),
    ],
)
def test_a_licence_is_known_however_it_is_written(written: str, name: str) -> None:
    licence = known_licence(written)
    assert licence is not None
    assert licence.name == name


def test_a_licence_page_is_given_where_its_version_is_known() -> None:
    assert licence_url("by-nc", "2.0") == "https://creativecommons.org/licenses/by-nc/2.0/"
    assert licence_url("cc0", "") == "https://creativecommons.org/publicdomain/zero/1.0/"
    assert licence_url("by", "") == ""
    assert licence_url("home-made", "1.0") == ""
    assert licence_name("by-nc", "2.0") == "CC BY-NC 2.0"
    assert licence_name("home-made", "1.0") == "home-made"


def test_every_obstacle_has_a_sentence_that_says_what_to_do() -> None:
    assert SENTENCES.keys() == set(Obstacle)
    assert all(len(sentence.split(". ")) >= 2 for sentence in SENTENCES.values())


def test_the_policy_reads_as_sentences_that_name_the_exceptions() -> None:
    said = policy(ml_training=True, allow_unknown_licence=True).sentences()
    assert "Models are trained on it: yes" in said
    assert "Pictures of unknown licence: allowed by the person who exported" in said
    assert "Pictures whose machine use is restricted: left out" in said
