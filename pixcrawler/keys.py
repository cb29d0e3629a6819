"""Every key of the pages, as its own page lists them. A test finds each `data-key` of the templates here."""

from collections.abc import Mapping

#: Where a key works -> (key as in `data-key`, what it does).
KEYS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "On every page": (
        ("?", "this list"),
        ("/", "search"),
        ("g o", "overview"),
        ("g j", "jobs"),
        ("g d", "datasets"),
        ("g s", "system"),
        ("n", "new crawl, where there is a button for it"),
    ),
    "New crawl": (("Ctrl Enter", "start, also from within a field"),),
    "Job": (("r", "retry what failed"), ("p", "problems only, or all again"), ("c", "cancel, after a question")),
    "Gallery": (
        ("Arrows", "move along the images"),
        ("Space", "select or clear the image"),
        ("Shift Arrows", "select on the way"),
        ("Enter", "open the image"),
        ("x", "exclude what is selected"),
        ("u", "take the last decision back"),
        ("Escape", "clear the selection"),
    ),
    "One image": (
        ("ArrowLeft", "newer image"),
        ("ArrowRight", "older image"),
        ("x", "exclude or restore"),
        ("Escape", "back to the gallery"),
    ),
    "Duplicates": (
        ("1–9", "keep the image with this number, or not"),
        ("Enter", "decide, and on to the next group"),
        ("a", "keep all"),
        ("j", "next group"),
        ("k", "group before"),
        ("c", "lay two over each other"),
        ("u", "take the last decision back"),
    ),
}
