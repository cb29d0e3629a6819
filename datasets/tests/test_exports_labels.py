"""Labels become folders that are safe everywhere, unique, and always the same."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.exports.labels import folder_name


@pytest.mark.parametrize("label", ["dog", "golden retriever", "a-b_c 2", "x", "protest", "latest", "contest"])
def test_a_plain_label_is_its_own_folder(label: str) -> None:
    assert folder_name(label) == label


@pytest.mark.parametrize(
    ("label", "stem"),
    [
        ("Köln", "koln"),
        ("../../etc/passwd", "etc-passwd"),
        ("犬", "label"),
        ("con", "con"),
        ("dog ", "dog"),
        ("Dog", "dog"),
        ("a" * 200, "a" * 60),
        (".hidden", "hidden"),
        ("c:\\temp", "c-temp"),
        ("", "label"),
    ],
)
def test_any_other_label_gets_its_safe_words_and_a_hash(label: str, stem: str) -> None:
    assert re.fullmatch(re.escape(stem) + "-[0-9a-f]{12}", folder_name(label))


@pytest.mark.parametrize(
    "label", ["test", "test tube", "crash test dummy", "dev", "train 2", "val-x", "test2", "eval_set"]
)
def test_no_folder_is_taken_for_a_split(label: str) -> None:
    words = set(re.split(r"[^a-z]+", folder_name(label)))
    assert not words & {"test", "train", "dev", "val", "eval"}


def test_labels_that_look_alike_have_folders_of_their_own() -> None:
    labels = ["dog", "Dog", "DOG", "dog ", "dóg", folder_name("Dog"), "do g", "do-g", "do_g"]
    assert len({folder_name(label).lower() for label in labels}) == len(labels)


@given(st.lists(st.text(max_size=80), unique=True, max_size=20))
def test_folders_are_safe_and_unique_whatever_the_labels(labels: list[str]) -> None:
    folders = [folder_name(label) for label in labels]
    assert len({folder.lower() for folder in folders}) == len(labels)
    assert all(re.fullmatch(r"[a-z0-9](?:[a-z0-9 _-]{0,72}[a-z0-9])?", folder) for folder in folders)
