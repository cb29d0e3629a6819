"""A loopback web for measurements: every address under /p/ is a sound JPEG with bytes of its own.

    python -m bench.picture_web

prints its port and serves until it is ended. A file of 64 pictures is made once; an address tells them apart by a
comment in the file, so that serving costs next to nothing.
"""

import io
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image

_PICTURES = 64
_SIDE_PX = 160


def pictures() -> list[bytes]:
    """JPEGs of soft, coloured noise: no two look alike."""
    made = []
    for seed in range(_PICTURES):
        noise = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), np.uint8)
        file = io.BytesIO()
        Image.fromarray(noise).resize((_SIDE_PX, _SIDE_PX), Image.Resampling.BICUBIC).save(file, "JPEG", quality=85)
        made.append(file.getvalue())
    return made


def with_comment(jpeg: bytes, comment: bytes) -> bytes:
    """The same picture in other bytes: a COM segment right behind the start mark."""
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    made = pictures()

    def do_GET(self) -> None:
        path = self.path.encode("ascii", "replace")
        body = with_comment(self.made[hash(path) % _PICTURES], path)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()
