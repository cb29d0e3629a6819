"""The sources there are, in the order in which people are offered them."""

from jobs.crawl.sources import openverse, sample, urls
from jobs.crawl.sources.base import SourceInfo

SOURCE_INFOS: dict[str, SourceInfo] = {info.name: info for info in (openverse.INFO, urls.INFO, sample.INFO)}
