from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
import smoke_fake

from coderack.smoke.core import Context, Layer


@pytest.fixture(scope="session")
def servers() -> Iterator[smoke_fake.Stack]:
    stack = smoke_fake.Stack()
    yield stack
    stack.close()


@pytest.fixture
def stack(servers: smoke_fake.Stack) -> Iterator[smoke_fake.Stack]:
    yield servers
    servers.world.heal()


@pytest.fixture
def ctx(stack: smoke_fake.Stack) -> Context:
    layers = {}
    for role in smoke_fake.ROLES:
        inside = role in ("engine", "hold")
        layers[role] = Layer(
            role,
            stack.url(role),
            key=smoke_fake.ENGINE_KEY if inside else smoke_fake.CLIENT_KEY,
            model="coder",
            claude_model="coder" if inside else "claude-sonnet-4-6",
            timeout=5,
        )
    return Context(
        layers=layers,
        model="coder",
        claude_model="claude-sonnet-4-6",
        expect_window=smoke_fake.WINDOW,
        secrets=(smoke_fake.CLIENT_KEY, smoke_fake.ENGINE_KEY),
    )


@pytest.fixture
def only(ctx: Context) -> object:
    """Make a context that knows these layers alone."""

    def build(*names: str) -> Context:
        return dataclasses.replace(ctx, layers={name: ctx.layers[name] for name in names})

    return build
