"""The three groups of people, and what each may do. A migration makes them; docs/people.md is this table in words."""

from collections.abc import Mapping
from typing import Final

from datasets.access import Right

#: Looks at what is shared: everybody who signs in may, with or without this group.
VIEWER: Final = "viewer"
#: Starts and steers jobs, curates shared datasets.
OPERATOR: Final = "operator"
#: Sees everything, reads who did what, deletes; with "staff status" also in the admin.
ADMINISTRATOR: Final = "administrator"

_OPERATORS = (Right.START, Right.STEER, Right.CURATE, Right.EMPTY)

#: Group -> permissions, as "app.codename". Those of an administrator end with all that the admin shows.
ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    VIEWER: (),
    OPERATOR: _OPERATORS,
    ADMINISTRATOR: (
        *_OPERATORS,
        Right.SEE_ALL,
        Right.AUDIT,
        *(f"jobs.{verb}_sourcekey" for verb in ("view", "add", "change", "delete")),
        *(f"jobs.{verb}_sourceterms" for verb in ("view", "add", "delete")),
        *(f"jobs.view_{model}" for model in ("job", "chunk", "finding", "activity", "labeltarget", "listedurl")),
        "jobs.view_notice",
        "jobs.view_apitoken",
        "jobs.delete_apitoken",
        "jobs.delete_job",
        *(f"datasets.{verb}_takedown" for verb in ("view", "add", "delete")),
        *(f"datasets.view_{model}" for model in ("dataset", "image", "undecodable")),
        "django_celery_results.view_taskresult",
        *(f"auth.{verb}_user" for verb in ("view", "add", "change")),
    ),
}
