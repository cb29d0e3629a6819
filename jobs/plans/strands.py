"""How a long list is read by several workers at once: in strands, each a lane that reads every n-th page of it.

The results of a search have to be asked for page by page; a list that people brought can be read at any place. Only a
label that has nothing but its list is read so: else the list would leave less of the target to its other lanes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db.models import Max

from jobs.crawl.sources.urls import PAGE, strand_cursor
from jobs.models import Job, ListedUrl
from jobs.spec import URL_LIST_SOURCE, Lane

#: Where the first chunk of a lane begins, by lane.
Beginnings = Mapping[Lane, Mapping[str, Any]]


def begun(job: Job, lanes_of: Mapping[str, Sequence[Lane]]) -> dict[str, Beginnings]:
    """The lanes that each label begins with, in their order: those given by label, a list's in its strands."""
    alone = {
        label: lanes[0] for label, lanes in lanes_of.items() if [lane.source for lane in lanes] == [URL_LIST_SOURCE]
    }
    listed = ListedUrl.objects.filter(job=job, label__in=alone).order_by()
    last_lines = dict(listed.values_list("label").annotate(last=Max("position")))
    wanted = dict(job.targets.filter(label__in=alone).values_list("label", "wanted"))
    return {
        label: _in_strands(alone[label], lines=last_lines.get(label, -1) + 1, wanted=wanted[label])
        if label in alone
        else {lane: {} for lane in lanes}
        for label, lanes in lanes_of.items()
    }


def _in_strands(lane: Lane, *, lines: int, wanted: int) -> Beginnings:
    """As many strands as make chunks of the usual size, no more than the installation wants, each with a page."""
    chunks = -(-min(lines, wanted) // settings.CHUNK_SIZE)
    count = max(1, min(chunks, settings.LIST_STRANDS, -(-lines // PAGE)))
    cursors = [strand_cursor(strand, of=count) for strand in range(count)]
    return {
        lane._replace(strand=strand): {} if cursor is None else {"cursor": cursor}
        for strand, cursor in enumerate(cursors)
    }
