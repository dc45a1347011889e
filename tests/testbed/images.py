"""Engine and gateway images in the upstream registry."""
from __future__ import annotations
def ensure_all(base_inputs: str) -> dict[str, str]:
    """Temporary."""
    return {}
