"""Tests of the demo's node as its user meets it: `make demo` has made it, they disturb it."""
