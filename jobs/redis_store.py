"""The one client for Redis outside Celery: short timeouts and no retries, since everything it holds may be lost."""

from functools import cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

#: The list that Celery's default queue is.
QUEUE = "celery"

#: What Redis being away, frozen or full looks like to a caller.
RedisError = redis.RedisError


@cache
def client() -> Any:
    """The process's client, made at first use; its pool notices a fork by itself. Answers are str and int, decoded.

    Any, since redis-py types every answer as bytes or str, now or awaited.
    """
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=0.5,
        socket_connect_timeout=0.5,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )


def address() -> str:
    """Where the server is, without its password: host:port, or the socket's path."""
    where = client().connection_pool.connection_kwargs
    return str(where.get("path") or f"{where.get('host', 'localhost')}:{where.get('port', 6379)}")


def server_facts() -> dict[str, Any]:
    """What the server tells of itself (INFO). Raises RedisError."""
    facts: dict[str, Any] = client().info()
    return facts
