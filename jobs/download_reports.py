"""Tells services of downloads, where their terms ask for it."""

import logging
from collections.abc import Iterable

from jobs.crawl.sources.base import ReportingSource, Source, SourceError
from jobs.recorder import Result

log = logging.getLogger(__name__)


def send(source: Source, results: Iterable[Result]) -> None:
    """Reports each picture that was downloaded, one request each. One that fails is logged: it costs no picture."""
    if not isinstance(source, ReportingSource):
        return
    for result in results:
        if not (result.sha256 and result.candidate.report_url):
            continue
        try:
            source.report_fetched(result.candidate)
        except SourceError as error:
            log.warning("A download was not reported to its source: %s", error)
