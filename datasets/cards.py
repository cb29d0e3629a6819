"""Datasets as cards: their newest pictures, and what of them waits for somebody. One query, however many cards."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import OuterRef, QuerySet, Subquery

from datasets import duplicate_scan
from datasets.counting import EXACT_UP_TO, CountUpTo, in_words
from datasets.models import Dataset, DuplicateGroup, Image, Verdict

#: Datasets on a page of their list.
PAGE_SIZE = 48

_MOSAIC = 3


@dataclass(frozen=True, slots=True)
class Badge:
    """A few words on a card; `css` is how grave they are."""

    words: str
    css: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """`mosaic` holds the ids of the newest images; the counts are those of images and groups that wait, as
    datasets.counting has them."""

    dataset: Dataset
    mosaic: tuple[int, ...]
    damaged: int
    undecided: int
    unlicensed: int
    is_checked: bool

    @property
    def unlicensed_share(self) -> str:
        """Such as 12%; of more images than are counted, such as 10,000+."""
        if self.unlicensed > EXACT_UP_TO:
            return in_words(self.unlicensed)
        return f"{min(100, -(-100 * self.unlicensed // max(1, self.dataset.image_count)))}%"

    @property
    def badges(self) -> list[Badge]:
        """What waits, the gravest first; that all is well only where checks have looked."""
        waits = []
        if self.damaged:
            waits.append(Badge(f"{in_words(self.damaged)} damaged", "bad"))
        if self.undecided:
            waits.append(Badge(f"{in_words(self.undecided)} to review", "warn"))
        if self.unlicensed:
            waits.append(Badge(f"{self.unlicensed_share} licence unknown", "warn"))
        if not waits and self.is_checked:
            return [Badge("Checked", "ok")]
        return waits


def recent(datasets: QuerySet[Dataset], limit: int) -> list[Card]:
    """The newest of the datasets."""
    return _cards(datasets.order_by("-created_at")[:limit])


def page_of_cards(datasets: QuerySet[Dataset], after: int | None) -> tuple[list[Card], int | None]:
    """One page of datasets, newest first, and the `after` of the next page (None: this is the last)."""
    datasets = datasets.order_by("-pk")
    if after is not None:
        datasets = datasets.filter(pk__lt=after)
    page = _cards(datasets[: PAGE_SIZE + 1])
    return page[:PAGE_SIZE], page[PAGE_SIZE - 1].dataset.pk if len(page) > PAGE_SIZE else None


def _cards(datasets: QuerySet[Dataset]) -> list[Card]:
    """Everything counted and found along an index: a window function would read all images."""
    images = Image.objects.order_by().filter(dataset=OuterRef("pk")).exclude(review=Verdict.EXCLUDED)
    newest = Image.objects.filter(dataset=OuterRef("pk")).order_by("-pk")
    newest_scan = duplicate_scan.completed().filter(dataset=OuterRef(OuterRef("pk"))).values("pk")[:1]
    undecided = DuplicateGroup.objects.filter(decided_at__isnull=True, scan=Subquery(newest_scan))
    counted = {
        "n_damaged": CountUpTo(images.exclude(damage="")),
        "n_undecided": CountUpTo(undecided),
        "n_unlicensed": CountUpTo(images.filter(licence_code__in=["", "unknown"])),
    }
    found = datasets.annotate(
        checked_at=Subquery(newest.values("checked_at")[:1]),
        **counted,
        **{f"shown_{place}": Subquery(newest.values("pk")[place : place + 1]) for place in range(_MOSAIC)},
    )
    return [_card(dataset) for dataset in found]


def _card(row: Dataset) -> Card:
    values = vars(row)
    return Card(
        dataset=row,
        mosaic=tuple(_present(values[f"shown_{place}"] for place in range(_MOSAIC))),
        damaged=values["n_damaged"] or 0,
        undecided=values["n_undecided"] or 0,
        unlicensed=values["n_unlicensed"] or 0,
        is_checked=values["checked_at"] is not None,
    )


def _present(ids: Iterable[int | None]) -> list[int]:
    return [one for one in ids if one is not None]
