"""The demo's node and its endpoint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e.node import Endpoint, Node

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="session")
def node() -> Node:
    return Node("coderack-demo", ROOT)


@pytest.fixture
def endpoint(node: Node) -> Endpoint:
    document = json.loads((ROOT / ".demo" / "endpoint.json").read_text(encoding="utf-8"))
    return Endpoint(
        base_url=document["base_url"], api_key=document["api_key"], ca_file=document["ca_file"]
    )
