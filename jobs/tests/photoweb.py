"""A small web of photographs on the loopback interface: an Openverse-shaped search, pictures, and faults on demand."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

#: What a path answers: status, headers, body. Called once per request, with the number of requests before it.
Answer = Callable[[int], tuple[int, dict[str, str], bytes]]


@dataclass(slots=True)
class PhotoWeb:
    """`pages` are answers by path; `listed` the results of a search, by its words ("": of every other search);
    `hits` counts requests by path, `authorizations` are the headers of that name; a picture is sent after `delay_s`;
    a search for `refused` words gets that status, and the next `refusals` searches get 429.
    """

    port: int = 0
    delay_s: float = 0.0
    pages: dict[str, Answer] = field(default_factory=dict)
    listed: dict[str, list[dict[str, object]]] = field(default_factory=lambda: {"": []})
    refused: dict[str, int] = field(default_factory=dict)
    hits: Counter[str] = field(default_factory=Counter)
    authorizations: list[str] = field(default_factory=list)
    refusals: int = 0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str) -> str:
        return f"http://{self.host}{path}"

    def add_photo(self, path: str, body: bytes, *, words: str = "", **facts: object) -> str:
        """Serves the body, lists it in searches for the words, and gives its address."""
        self.pages[path] = lambda _: (200, {"Content-Type": "image/jpeg"}, body)
        return self.add_listed(path, words=words, **facts)

    def add_listed(self, path: str, *, words: str = "", **facts: object) -> str:
        """Lists an address in searches for the words without serving anything there."""
        self.listed.setdefault(words, []).append(
            {
                "id": path,
                "title": f"Photograph {path}",
                "url": self.url(path),
                "foreign_landing_url": self.url(f"/about{path}"),
                "creator": "A. Photographer",
                "license": "by",
                "license_version": "4.0",
                "license_url": "https://creativecommons.org/licenses/by/4.0/",
                **facts,
            }
        )
        return self.url(path)

    def answer(self, target: str) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(target)
        before = self.hits[parts.path]
        self.hits[parts.path] += 1
        if parts.path in self.pages:
            time.sleep(self.delay_s)
            return self.pages[parts.path](before)
        if parts.path == "/v1/images/":
            if self.refusals:
                self.refusals -= 1
                return 429, {}, b""
            query = parse_qs(parts.query)
            status = self.refused.get(query["q"][0], 200)
            return status, {"Content-Type": "application/json"}, self._search(query) if status == 200 else b"{}"
        return 404, {"Content-Type": "text/plain"}, b"nothing here"

    def _search(self, query: dict[str, list[str]]) -> bytes:
        page, size = int(query["page"][0]), int(query["page_size"][0])
        listed = self.listed.get(query["q"][0], self.listed[""])
        listed = [one for one in listed if _is_in_part(one, query)]
        pages = -(-len(listed) // size)
        shown = listed[(page - 1) * size : page * size]
        return json.dumps({"result_count": len(listed), "page_count": pages, "results": shown}).encode()


def _is_in_part(result: dict[str, object], query: dict[str, list[str]]) -> bool:
    """Whether a result is of the licence, size and shape that a search asks for."""
    asked = {name: query[name][0].split(",") for name in ("license", "size", "aspect_ratio") if name in query}
    return all(result.get(name) in values for name, values in asked.items())


@contextmanager
def photo_web() -> Iterator[PhotoWeb]:
    """A running web on a free port."""
    web = PhotoWeb()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if "Authorization" in self.headers:
                web.authorizations.append(self.headers["Authorization"])
            status, headers, body = web.answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    web.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=[0.05], daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
