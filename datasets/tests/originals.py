"""Pictures' bytes in the media store, for tests."""

from datasets import blobs


def put_original(body: bytes, *, sha256: str, format: str) -> str:
    """Stores the bytes as a crawl does; gives their name. `format` is Pillow's name, such as JPEG."""
    name = blobs.original_name(sha256=sha256, format=format)
    blobs.put_all({name: body})
    return name
