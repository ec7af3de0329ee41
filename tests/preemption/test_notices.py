"""Notices of providers: requested as each documents it, reported once, and no thread is left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from arignote.errors import ArignoteWarning
from arignote.preemption.notices import Watch, notice_source

PATIENT = 30  # seconds until a wait for an event is given up; no test waits for them where all is well
ACTION = {"action": "terminate", "time": "2026-01-01T00:00:00Z"}


def event(kind, *machines, when="Thu, 01 Jan 2026 00:00:00 GMT"):
    return {"EventId": "1", "EventType": kind, "EventStatus": "Scheduled", "Resources": machines, "NotBefore": when}


class Metadata(BaseHTTPRequestHandler):
    """The metadata services of the three providers, each as strict as its documentation says."""

    def log_message(self, *args):
        pass

    def answer(self, status, text=""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_PUT(self):
        server = self.server
        server.asked.append("PUT " + self.path)
        if self.path != "/latest/api/token":
            return self.answer(404)
        if not 1 <= int(self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", 0)) <= 21600:
            return self.answer(400)
        server.token = f"token{len(server.asked)}"
        self.answer(200, server.token)

    def do_GET(self):
        server, path, query = self.server, urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        server.asked.append("GET " + path)
        server.another.set()
        if server.script:
            server.broken = server.script.pop(0)
        if server.broken:
            return self.answer(*server.broken)
        if path == "/latest/meta-data/spot/instance-action":
            if server.token is None or self.headers.get("X-aws-ec2-metadata-token") != server.token:
                return self.answer(401)
            return self.answer(200, json.dumps(server.action)) if server.action else self.answer(404)
        if path == "/computeMetadata/v1/instance/preempted":
            if self.headers.get("Metadata-Flavor") != "Google":
                return self.answer(403)
            return self.answer(200, "TRUE" if server.preempted else "FALSE")
        if path.startswith("/metadata/"):
            if self.headers.get("Metadata") != "true" or "api-version" not in query:
                return self.answer(400)
            if path == "/metadata/scheduledevents":
                return self.answer(200, json.dumps({"DocumentIncarnation": 1, "Events": server.events}))
            if path == "/metadata/instance/compute/name" and query.get("format") == ["text"] and server.name:
                return self.answer(200, server.name)
        self.answer(404)


@pytest.fixture
def service(monkeypatch):
    """A machine with the services of all three; nothing is announced. No thread may outlive the test."""
    threads = set(threading.enumerate())
    server = ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    server.daemon_threads = False  # server_close() waits for them
    server.asked, server.another, server.broken, server.script = [], threading.Event(), None, []
    server.token, server.action, server.preempted, server.events, server.name = None, None, False, [], "pool_0"
    host = f"127.0.0.1:{server.server_port}"
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://{host}/")
    monkeypatch.setenv("GCE_METADATA_HOST", host)
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", f"http://{host}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
    assert set(threading.enumerate()) <= threads


def announce(server):
    server.action, server.preempted, server.events = ACTION, True, [event("Preempt", "pool_0")]


REASONS = {
    "aws": "aws: spot instance-action terminate at 2026-01-01T00:00:00Z",
    "gcp": "gcp: instance preempted",
    "azure": "azure: scheduled event Preempt at Thu, 01 Jan 2026 00:00:00 GMT",
}


@pytest.mark.slow
@pytest.mark.parametrize("source", REASONS)
def test_a_provider_is_polled_until_it_announces_a_stop(service, source):
    ask = notice_source(source)
    assert [ask(), ask()] == [None, None]
    announce(service)
    assert ask() == REASONS[source]


@pytest.mark.slow
def test_the_token_of_aws_is_fetched_once_and_renewed_when_it_has_expired(service):
    ask = notice_source("aws")
    assert [ask(), ask()] == [None, None]
    assert [line for line in service.asked if line.startswith("PUT")] == ["PUT /latest/api/token"]
    service.token, service.action = None, ACTION
    assert ask() == REASONS["aws"]
    assert len([line for line in service.asked if line.startswith("PUT")]) == 2


@pytest.mark.slow
def test_events_of_azure_that_leave_the_machine_alone_are_no_notice(service):
    service.events = [event("Freeze", "pool_0"), event("Reboot", "pool_0"), event("Preempt", "pool_1", "pool_2")]
    assert notice_source("azure")() is None


@pytest.mark.slow
@pytest.mark.parametrize(("machines", "name"), [(["POOL_0"], "pool_0"), ([], "pool_0"), (["pool_0"], "")])
def test_an_event_of_azure_counts_unless_it_is_known_to_be_of_another_machine(service, machines, name):
    service.events, service.name = [event("Terminate", *machines, when="")], name
    assert notice_source("azure")() == "azure: scheduled event Terminate at once"


@pytest.mark.slow
@pytest.mark.parametrize("source", REASONS)
@pytest.mark.parametrize("broken", [(500,), (429,)], ids=["failing", "throttled"])
def test_a_service_that_refuses_is_an_os_error_that_names_its_address(service, source, broken):
    service.token, service.broken = "held", broken
    with pytest.raises(OSError, match=rf"http://127\.0\.0\.1:{service.server_port}/.*{broken[0]}"):
        notice_source(source)()


@pytest.mark.slow
@pytest.mark.parametrize("source", ["aws", "azure"])
@pytest.mark.parametrize("text", ["<html>", "[]"])
def test_an_answer_that_is_not_of_the_service_is_an_os_error(service, source, text):
    service.broken = (200, text)
    with pytest.raises(OSError, match="must answer with a JSON object"):
        notice_source(source)()


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "nonsense", "http://[", "http://127.0.0.1:port"])
def test_an_endpoint_that_is_not_there_or_no_address_is_an_os_error(monkeypatch, endpoint):
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint)
    with pytest.raises(OSError, match="/latest/api/token"):
        notice_source("aws")()


@pytest.mark.slow
def test_a_proxy_of_the_environment_is_not_used(service):
    service.preempted = True
    code = "from arignote.preemption.notices import notice_source; print(notice_source('gcp')())"
    env = {**os.environ, "http_proxy": "http://127.0.0.1:9", "no_proxy": "", "NO_PROXY": ""}
    found = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == REASONS["gcp"]


def test_a_file_is_a_notice_once_it_is_there(tmp_path):
    path = tmp_path / "stop now"
    ask = notice_source(f"file:{path}")
    assert ask() is None
    path.touch()
    assert ask() == f"file:{path} exists"
    path.write_text("drained by the operator\nat noon\n")
    assert ask() == "drained by the operator"


@pytest.mark.parametrize(("source", "hint"), [("gpc", "'gcp'"), ("AWS", "'aws'"), ("file:", "PATH"), ("s3", "azure")])
def test_an_unknown_source_is_refused_with_what_is_known(source, hint):
    for make in (notice_source, lambda source: Watch(source, print)):
        with pytest.raises(ValueError, match="must be one of aws, gcp, azure, file:PATH") as shown:
            make(source)
        assert hint in str(shown.value).partition(". ")[2]


@pytest.mark.slow
@pytest.mark.parametrize("source", REASONS)
def test_a_watch_reports_the_first_notice_once_and_ends(service, source):
    reasons, shown = [], threading.Event()

    def report(reason):
        reasons.append(reason)
        shown.set()

    with Watch(source, report, every=0.01):
        assert service.another.wait(PATIENT)
        announce(service)
        assert shown.wait(PATIENT)
        for thread in threading.enumerate():
            if thread.name.startswith("arignote-notices"):
                thread.join(PATIENT)
                assert not thread.is_alive()
    assert reasons == [REASONS[source]]


@pytest.mark.slow
def test_a_watch_can_be_left_and_entered_again_and_leaves_no_thread(service):
    reasons = []
    watch = Watch("gcp", reasons.append, every=3600)
    for _ in range(2):
        service.another.clear()
        with watch:
            assert service.another.wait(PATIENT)
        assert not [t for t in threading.enumerate() if t.name.startswith("arignote-notices")]
    assert reasons == []


@pytest.mark.slow
def test_a_watch_whose_requests_fail_warns_once_and_continues(service):
    service.preempted, shown = True, threading.Event()
    service.script = [(503,)] * 4 + [(200, "FALSE")] + [(503,)] * 4 + [None]
    with pytest.warns(ArignoteWarning) as caught, Watch("gcp", lambda reason: shown.set(), every=0.001):
        assert shown.wait(PATIENT)
    (warning,) = caught
    for word in ("'gcp'", f"http://127.0.0.1:{service.server_port}/computeMetadata", "503", "training continues"):
        assert word in str(warning.message)


@pytest.mark.slow
def test_failures_now_and_then_are_no_reason_to_warn(service):
    service.preempted, shown = True, threading.Event()
    service.script = [(503,), (503,), (200, "FALSE")] * 3 + [None]
    with Watch("gcp", lambda reason: shown.set(), every=0.001):
        assert shown.wait(PATIENT)
    assert len(service.asked) == 10
