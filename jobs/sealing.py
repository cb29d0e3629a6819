"""Encrypts what must be read again and yet not lie in the database in clear: keys of sources.

Fernet (AES-128 and an HMAC) under a key that HKDF derives from SECRET_KEY. What SECRET_KEY_FALLBACKS sealed can still
be read, so that SECRET_KEY can be changed: docs/decisions has the reasons, docs/configuration.md the steps.
"""

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

#: Names what the derived key is for: no other use of SECRET_KEY shares it.
_PURPOSE = b"pixcrawler/source-keys/1"


class Unreadable(Exception):
    """What was sealed cannot be opened with SECRET_KEY, nor with any of SECRET_KEY_FALLBACKS."""


def seal(secret: str) -> str:
    """The secret, encrypted with SECRET_KEY."""
    return _boxes().encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str:
    """The secret. Raises Unreadable."""
    try:
        return _boxes().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Unreadable from None


def resealed(sealed: str) -> str:
    """The same secret, encrypted anew with SECRET_KEY. Raises Unreadable."""
    return seal(unseal(sealed))


def _boxes() -> MultiFernet:
    return _boxes_of((settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))


@lru_cache(maxsize=4)
def _boxes_of(keys: tuple[str, ...]) -> MultiFernet:
    """Deriving takes a moment; the keys of a process hardly ever change."""
    return MultiFernet([Fernet(_derived(key)) for key in keys])


def _derived(secret_key: str) -> bytes:
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE)
    return base64.urlsafe_b64encode(kdf.derive(secret_key.encode()))
