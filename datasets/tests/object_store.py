"""A real S3 server on the loopback interface, and settings that keep pictures and exports in a bucket of it."""

import json
import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.config import Config
from pytest_django import Settings

_REGION = "us-east-1"


@dataclass(slots=True)
class ObjectStore:
    """The server. What it holds outlives `stop` and `start`; each test has a `bucket` of its own."""

    port: int = 0
    bucket: str = ""
    _server: Any = field(default=None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        # Loads a second's worth of packages, which tests without a bucket need not wait for.
        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self._server.start()
        self.port = self._server.get_host_and_port()[1]

    def stop(self) -> None:
        self._server.stop()

    def client(self, service: str = "s3") -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=_REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(s3={"addressing_style": "path"}),
        )

    def names(self) -> set[str]:
        """The names of all objects of the bucket."""
        return {entry["Key"] for entry in self.client().list_objects_v2(Bucket=self.bucket).get("Contents", ())}

    @contextmanager
    def asking_for_keys(self) -> Iterator[tuple[str, str]]:
        """Meanwhile requests are checked as Amazon checks them; gives an access key and its secret that may do all."""
        from moto import settings as server_settings

        iam = self.client("iam")
        iam.create_user(UserName="pixcrawler")
        everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
        iam.put_user_policy(UserName="pixcrawler", PolicyName="all", PolicyDocument=policy)
        key = iam.create_access_key(UserName="pixcrawler")["AccessKey"]
        before, server_settings.INITIAL_NO_AUTH_ACTION_COUNT = server_settings.INITIAL_NO_AUTH_ACTION_COUNT, 0
        try:
            yield key["AccessKeyId"], key["SecretAccessKey"]
        finally:
            server_settings.INITIAL_NO_AUTH_ACTION_COUNT = before
            iam.delete_access_key(UserName="pixcrawler", AccessKeyId=key["AccessKeyId"])
            iam.delete_user_policy(UserName="pixcrawler", PolicyName="all")
            iam.delete_user(UserName="pixcrawler")


@pytest.fixture(scope="session")
def s3_server() -> Iterator[ObjectStore]:
    server = ObjectStore()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def object_store(s3_server: ObjectStore, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """A bucket that this process and those that it starts keep everything in."""
    s3_server.bucket = f"pix-{uuid.uuid4().hex[:12]}"
    s3_server.client().create_bucket(Bucket=s3_server.bucket)
    given = {
        "BUCKET": s3_server.bucket,
        "ENDPOINT": s3_server.url,
        "ACCESS_KEY": "test",
        "SECRET_KEY": "test",
        "PREFIX": "birds/",
        "ADDRESSING": "path",
        "CONNECT_TIMEOUT_S": "1",
        "READ_TIMEOUT_S": "2",
    }
    for name, value in given.items():
        monkeypatch.setenv(f"PIXCRAWLER_S3_{name}", value)
    settings.STORAGES = {
        **settings.STORAGES,
        "default": in_bucket(s3_server, "media"),
        "exports": in_bucket(s3_server, "exports"),
    }
    return s3_server


def in_bucket(store: ObjectStore, folder: str = "media", **changes: Any) -> dict[str, Any]:
    """A folder of the bucket, as STORAGES takes it."""
    options = {
        "bucket_name": store.bucket,
        "location": f"birds/{folder}",
        "endpoint_url": store.url,
        "region_name": _REGION,
        "access_key": "test",
        "secret_key": "test",
        "addressing_style": "path",
        "connect_timeout_s": 1.0,
        "read_timeout_s": 2.0,
        "link_s": 300,
        "fresh_s": 1800.0,
        **changes,
    }
    return {"BACKEND": "datasets.object_storage.ObjectStorage", "OPTIONS": options}
