"""robots.txt in Redis, so that a site is asked once for all workers. Redis being away costs a request per process."""

import json
from dataclasses import asdict

from jobs.crawl.robots import RobotsTxt
from jobs.redis_store import RedisError, client

#: Longer texts, which are rare, are kept by each process alone: Redis has little room and much to do.
_LONGEST_SHARED = 64 * 1024


class RedisRobotsStore:
    """Keeps what was read until it expires."""

    def get(self, origin: str) -> RobotsTxt | None:
        try:
            stored = client().get(_key(origin))
            return RobotsTxt(**json.loads(stored)) if stored else None
        except (RedisError, ValueError, TypeError):
            # Also what another version wrote.
            return None

    def put(self, origin: str, robots: RobotsTxt) -> None:
        if len(robots.text) > _LONGEST_SHARED:
            return
        holds_s = robots.expires_at - robots.read_at
        try:
            client().set(_key(origin), json.dumps(asdict(robots)), px=max(1, int(holds_s * 1000)))
        except RedisError:
            return


def _key(origin: str) -> str:
    return f"px:robots:{origin}"
