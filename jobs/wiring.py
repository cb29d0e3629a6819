"""Builds the framework-free parts of a crawl from Django's settings: sources, fetcher, limits."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import chain

from django.conf import settings
from requests.adapters import HTTPAdapter

from datasets.imaging.decoder import Allowance, Decoder, KillRecord
from datasets.imaging.types import ImageLimits
from datasets.models import Dataset
from datasets.undecodable import SharedKillRecord
from jobs import storing, takedowns, uploads
from jobs.crawl.admission import Admission
from jobs.crawl.curl_request import FetchLimits
from jobs.crawl.fetch import Fetcher, Idle
from jobs.crawl.hostgate import PUBLISHED_LIMITS, HostLimit, HostRules, LocalHostGate
from jobs.crawl.netguard import AddressPolicy
from jobs.crawl.optouts import PRODUCT_TOKEN, OptOutRules
from jobs.crawl.robots import Robots
from jobs.crawl.sources.base import (
    Exchange,
    PageReader,
    Services,
    Source,
    SourceConfig,
    SourceInfo,
    SourceRefused,
    WindowReader,
    new_connections,
)
from jobs.crawl.sources.configuring import config_of
from jobs.crawl.sources.registry import registry
from jobs.crawl.types import Candidate, Fetched, FetchFailure
from jobs.crawl.url_list import ListedUrl as ListedUrlLine
from jobs.credentials import credentials_of, obstacle
from jobs.models import Job, Kind, ListedUrl
from jobs.pace import StoppedWaiting, wait_for_turn
from jobs.robots_store import RedisRobotsStore
from jobs.shared_gate import SharedHostGate
from jobs.spec import CrawlSpec

VERSION = "0.1"

#: A permit outlives the longest request by so much, for what the process does between two looks at it.
_LEASE_MARGIN_S = 10.0

#: So many times settings.FETCH_CONCURRENCY requests may be under way where hosts are slow.
_PATIENCE_FACTOR = 4

ShouldStop = Callable[[], bool]


def source_infos() -> tuple[SourceInfo, ...]:
    """What people can choose from, in the order of the form."""
    return tuple(module.INFO for module in registry().modules.values())


def source_for(
    name: str, job: Job, *, should_stop: ShouldStop, exchanged: Callable[[Exchange], None] = lambda _: None
) -> Source:
    """The source of that name, as a chunk of the job uses it; `exchanged` hears of each of its requests.

    Raises KeyError for an unknown one, SourceRefused for one that may not be used (any more).
    """
    module = registry().modules[name]
    info = module.INFO
    if why := obstacle(info):
        raise SourceRefused(why)
    config = config_of(info, settings.SOURCE_SETTINGS, credentials=credentials_of(info), user_agent=user_agent())
    services = Services(
        pace=lambda: wait_for_turn(name, per_minute=config.requests_per_minute, should_stop=should_stop),
        connections=_source_connections(),
        ca_bundle=settings.CA_BUNDLE,
        exchanged=exchanged,
        read_list=_list_reader(job),
        read_page=_page_reader(job, should_stop),
        archive=uploads.archive_of(job),
    )
    return module.build(config, services)


@cache
def _source_connections() -> HTTPAdapter:
    return new_connections()


@cache
def fetcher() -> Fetcher:
    """The process's one door to pictures; it keeps connections open from chunk to chunk."""
    return new_fetcher()


def new_fetcher() -> Fetcher:
    """A fetcher by the installation's rules."""
    limits = FetchLimits(
        connect_timeout_s=settings.CONNECT_TIMEOUT_S,
        idle_timeout_s=settings.IDLE_TIMEOUT_S,
        total_timeout_s=settings.TOTAL_TIMEOUT_S,
        min_speed_bytes_per_s=settings.MIN_SPEED_BYTES_PER_S,
        speed_window_s=settings.SPEED_WINDOW_S,
        max_body_bytes=settings.MAX_BODY_BYTES,
        max_header_bytes=settings.MAX_HEADER_BYTES,
        max_redirects=settings.MAX_REDIRECTS,
        max_attempts=settings.FETCH_ATTEMPTS,
        max_retry_after_s=settings.MAX_RETRY_AFTER_S,
        in_flight=settings.FETCH_CONCURRENCY,
        max_in_flight=settings.FETCH_CONCURRENCY * _PATIENCE_FACTOR,
    )
    return Fetcher(
        limits=limits,
        policy=address_policy(),
        user_agent=user_agent(),
        gate=_host_gate(),
        ca_bundle=settings.CA_BUNDLE,
    )


def address_policy() -> AddressPolicy:
    """What may be dialled, whatever is sent there."""
    return AddressPolicy(allow_hosts=settings.ALLOW_HOSTS, blocked_domains=settings.BLOCKED_DOMAINS)


@cache
def _page_fetcher() -> Fetcher:
    """A second door by the same rules: pages are read while the first one is at work on pictures."""
    return new_fetcher()


def _host_gate() -> SharedHostGate:
    rules = HostRules(
        default=HostLimit(settings.HOST_CONNECTIONS, settings.HOST_SPACING_S),
        free_hosts=settings.ALLOW_HOSTS,
        limits={host: HostLimit(*limit) for host, limit in settings.HOST_LIMITS.items()},
        published=dict(chain(PUBLISHED_LIMITS.items(), *(info.host_limits.items() for info in source_infos()))),
    )
    return SharedHostGate(
        rules=rules,
        lease_s=settings.TOTAL_TIMEOUT_S + _LEASE_MARGIN_S,
        longest_pause_s=settings.MAX_RETRY_AFTER_S,
        alone=LocalHostGate(rules=rules),
    )


@cache
def robots() -> Robots:
    """What this process knows of robots.txt, shared with the others by Redis."""
    return Robots(store=RedisRobotsStore())


def admission(dataset: Dataset) -> Admission:
    """Who has a say in what is fetched for the dataset."""
    rules = OptOutRules(
        robots_txt=dataset.obey_robots_txt,
        robots_tag=dataset.obey_robots_tag,
        tdm_reservation=dataset.obey_tdm_reservation,
        embedded=dataset.obey_embedded,
    )
    return Admission(rules=rules, robots=robots(), refuses_hop=takedowns.refusal_of)


@cache
def store_threads() -> ThreadPoolExecutor:
    """The process's threads that write pictures to the media store."""
    return ThreadPoolExecutor(max_workers=storing.THREADS, thread_name_prefix="store")


@cache
def decoder() -> Decoder:
    """The process's own decoder; its child starts with the first picture and ends with this process."""
    return new_decoder(SharedKillRecord())


def new_decoder(kills: KillRecord) -> Decoder:
    """A decoder with the installation's limits; whoever asks for it closes it."""
    allowance = Allowance(
        cpu_s=settings.DECODE_CPU_S, wall_s=settings.DECODE_WALL_S, memory_bytes=settings.DECODE_MEMORY_BYTES
    )
    return Decoder(allowance=allowance, kills=kills, module=settings.DECODER_MODULE)


def image_limits(job: Job) -> ImageLimits:
    """The installation's hard limits and, for a crawl, its rules."""
    least = (1, 1)
    if job.kind == Kind.CRAWL:
        spec = CrawlSpec.from_json(job.spec)
        least = spec.filters.min_width_px, spec.filters.min_height_px
    return ImageLimits(
        max_pixels=settings.MAX_PIXELS,
        max_side_px=settings.MAX_SIDE_PX,
        max_aspect=settings.MAX_ASPECT,
        max_frames=settings.MAX_FRAMES,
        max_metadata_bytes=settings.MAX_METADATA_BYTES,
        min_width_px=least[0],
        min_height_px=least[1],
    )


def configured(info: SourceInfo) -> SourceConfig:
    """What this installation has set for a source, without its keys."""
    return config_of(info, settings.SOURCE_SETTINGS, credentials={}, user_agent=user_agent())


@dataclass(frozen=True, slots=True)
class SearchLimit:
    """How often a source may be asked, and how many candidates each answer lists."""

    per_minute: float
    page_size: int


def search_limit(name: str) -> SearchLimit | None:
    """None: the source has no limit, or there is none of that name."""
    module = registry().modules.get(name)
    if module is None:
        return None
    config = configured(module.INFO)
    return SearchLimit(config.requests_per_minute, config.page_size) if config.requests_per_minute > 0 else None


def user_agent() -> str:
    """Who we are, for the sites that we crawl: name, version, and the contact that the operator gave."""
    contact = f" (+{settings.CONTACT})" if settings.CONTACT else ""
    return f"{PRODUCT_TOKEN}/{VERSION}{contact}"


def _page_reader(job: Job, should_stop: ShouldStop) -> PageReader:
    def read_page(url: str) -> Fetched | FetchFailure:
        page = Candidate(url=url, source="")
        for arrival in _page_fetcher().fetch_many(
            deque([page]), admission=admission(job.dataset), should_stop=should_stop
        ):
            if not isinstance(arrival, Idle):
                return arrival[1]
        raise StoppedWaiting

    return read_page


def _list_reader(job: Job) -> WindowReader:
    def read_window(label: str, start: int, count: int) -> Sequence[ListedUrlLine]:
        rows = ListedUrl.objects.filter(job=job, label=label, position__gte=start).order_by("position")[:count]
        return [
            ListedUrlLine(url=row.url, label=row.label, title=row.title, licence=row.licence, page_url=row.page_url)
            for row in rows
        ]

    return read_window
