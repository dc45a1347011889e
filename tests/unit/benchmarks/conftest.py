"""Lets the tests import the benchmarks, which are programs and no package of the project."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3]))
