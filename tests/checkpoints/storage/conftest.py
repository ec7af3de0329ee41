"""An S3 of this machine, for the tests of stores."""

from __future__ import annotations

import gc
import logging
import os
import urllib.request

import pytest


class Store:
    """An S3 of this machine that can go away and come back, with what is in it."""

    def __init__(self):
        self.port = 0
        self.come()

    def come(self):
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self._server.start()
        self.port = self._server.get_host_and_port()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def go(self):
        self._server.stop()

    def ask(self, path, data):
        asked = urllib.request.Request(self.url + path, data, {"Content-Type": "text/plain"}, method="POST")
        with urllib.request.urlopen(asked) as answer:
            answer.read()


@pytest.fixture(scope="module")
def server():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    store = Store()
    yield store
    store.go()


@pytest.fixture
def s3(server, monkeypatch):
    """An S3 with an empty bucket named bucket; nothing that s3fs leaves open is left to the next test."""
    from s3fs import S3FileSystem

    for name in [name for name in os.environ if name.startswith(("AWS_", "FSSPEC_"))]:
        monkeypatch.delenv(name)
    for key, value in {
        "AWS_ACCESS_KEY_ID": "one",
        "AWS_SECRET_ACCESS_KEY": "two",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": server.url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(key, value)
    server.ask("/moto-api/reset", b"")
    S3FileSystem.clear_instance_cache()
    S3FileSystem().mkdir("bucket")
    yield server
    S3FileSystem.clear_instance_cache()
    gc.collect()
    # What is still alive need not be looked at after the next test.
    gc.freeze()
