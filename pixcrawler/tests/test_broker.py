"""Addresses of Redis, and the secret key."""

import stat
from pathlib import Path

from pixcrawler import broker
from pixcrawler.secret import secret_key


def test_a_configured_broker_wins() -> None:
    assert broker.broker_url("redis://cache:6379/1", Path("/nowhere")) == "redis://cache:6379/1"


def test_the_embedded_server_is_used_where_its_socket_exists(tmp_path: Path) -> None:
    socket = tmp_path / "valkey.sock"
    assert broker.broker_url("", socket) == "redis://localhost:6379/1"
    socket.touch()
    assert broker.broker_url("", socket) == f"redis+socket://{socket}?virtual_host=1"


def test_the_result_backend_spells_a_socket_its_own_way() -> None:
    given = broker.result_backend("", "redis+socket:///data/valkey.sock?virtual_host=1")
    assert given == "pixcrawler.results.RedisAndDatabaseBackend+socket:///data/valkey.sock?virtual_host=1"
    assert broker.result_backend("redis://other:6379/1", "redis://a:6379/1").endswith("+redis://other:6379/1")


def test_the_client_reaches_the_same_database_as_celery() -> None:
    assert broker.client_url("redis+socket:///data/valkey.sock?virtual_host=1") == "unix:///data/valkey.sock?db=1"
    assert broker.client_url("redis://cache:6379/1") == "redis://cache:6379/1"


def test_a_password_is_never_shown() -> None:
    assert broker.described("redis://:geheim@cache:6380/1") == "cache:6380"


def test_a_socket_path_fits_however_long_the_data_folders_path_is(tmp_path: Path) -> None:
    short, long = broker.embedded_socket(tmp_path), broker.embedded_socket(tmp_path / ("d" * 120))
    assert short.parent == tmp_path
    assert len(str(long)) < 100
    assert long == broker.embedded_socket(tmp_path / ("d" * 120))
    assert long != broker.embedded_socket(tmp_path / ("e" * 120))


def test_the_secret_key_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    first = secret_key(tmp_path / "data")

    assert len(first) >= 50
    assert secret_key(tmp_path / "data") == first
    assert stat.S_IMODE((tmp_path / "data" / "secret_key").stat().st_mode) == 0o600
