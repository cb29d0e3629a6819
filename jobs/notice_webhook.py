"""The webhook of completion notices: how it is signed, and by which rules it is sent."""

import hashlib
import hmac
import json
import time
from typing import Any, Final

from django.conf import settings

from jobs import wiring
from jobs.crawl import post
from jobs.crawl.post import NotPosted

SIGNATURE_HEADER: Final = "PixCrawler-Signature"
TIMESTAMP_HEADER: Final = "PixCrawler-Timestamp"
ID_HEADER: Final = "PixCrawler-Notice"


def signature(secret: str, *, timestamp: str, payload: bytes) -> str:
    """HMAC-SHA256 over the timestamp, a dot and the very bytes of the body, in hexadecimal."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + payload, hashlib.sha256).hexdigest()


def send(said: dict[str, Any], *, uid: str) -> NotPosted | None:
    """Posts the notice; None: the receiver took it. Waits for PIXCRAWLER_WEBHOOK_TIMEOUT_S at most."""
    payload = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
    timestamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        ID_HEADER: uid,
        TIMESTAMP_HEADER: timestamp,
        SIGNATURE_HEADER: f"v1={signature(settings.WEBHOOK_SECRET, timestamp=timestamp, payload=payload)}",
    }
    return post.post(
        settings.WEBHOOK_URL,
        payload,
        headers=headers,
        policy=wiring.address_policy(),
        user_agent=wiring.user_agent(),
        timeout_s=settings.WEBHOOK_TIMEOUT_S,
        ca_bundle=settings.CA_BUNDLE,
    )
