"""The API reference: pages that render the OpenAPI document, and the examples on them, which work as they stand."""

from __future__ import annotations

import contextlib
import html
import io
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from api.examples import SAMPLES, example_of
from api.operations import OPERATIONS, Operation
from tests.api.conftest import Program, the_document
from tests.api.test_openapi import values_for
from tests.support.signed_in import sign_in


def text_of(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", page))


def test_every_operation_is_on_its_page_with_what_it_needs_and_examples(app: Flask):
    client = app.test_client()
    sign_in(client, "Vera", "viewer")
    start = client.get("/settings/api").text
    pages = {tag["name"]: client.get(f"/settings/api/{tag['name']}").text for tag in the_document()["tags"]}
    assert "<script src=" not in start.replace('<script src="/assets/', "")
    for path, methods in the_document()["paths"].items():
        for method, operation in methods.items():
            name, page = operation["operationId"], pages[operation["tags"][0]]
            assert f'/settings/api/{operation["tags"][0]}#{name}"' in start
            section = text_of(page.split(f'aria-labelledby="{name}"')[1].partition("</section>")[0])
            assert f"{method.upper()} /api/v1{path}" in section
            assert operation.get("x-scope", "any valid token") in section
            for parameter in operation["parameters"]:
                assert parameter["name"] in section
            example = example_of(OPERATIONS[name], SAMPLES)
            assert example.as_curl() in section and example.as_python() in section
    for page in pages.values():
        ids = re.findall(r' id="([^"]+)"', page)
        assert len(ids) == len(set(ids))
        assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)


def test_it_is_reached_from_the_tokens_and_ends_where_nothing_is(client: Any):
    assert 'href="/settings/api"' in client.get("/settings/tokens").text
    assert client.get("/settings/api/nothing").status_code == 404


class Quiet(WSGIRequestHandler):
    def log(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """The application behind a server of this process, over real HTTP."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(60)
        server.server_close()


@pytest.mark.sampled(16)
@pytest.mark.parametrize("language", ["curl", "python"])
@pytest.mark.parametrize("made", OPERATIONS.values(), ids=lambda made: made.name)
def test_every_example_works_as_it_stands(
    app: Flask,
    erp: Program,
    planted: dict[str, Any],
    address: str,
    monkeypatch: pytest.MonkeyPatch,
    made: Operation,
    language: str,
):
    example = example_of(made, values_for(erp, planted, made))
    for name, value in {"CARTLINK_URL": address, "CARTLINK_TOKEN": erp.token, "NO_PROXY": "*"}.items():
        monkeypatch.setenv(name, value)
    if language == "curl":
        done = subprocess.run(["bash", "-ec", example.as_curl()], capture_output=True, text=True, env=dict(os.environ))
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout or not example.answers
        return
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(example.as_python(), made.name, "exec"), {})
    assert said.getvalue()
