"""The model hub: what the real `hf` client asks of it, for repositories in folders."""

from testbed.hub.repository import hub_revision

__all__ = ["hub_revision"]
