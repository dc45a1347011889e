"""Smoke suite: asks a coderack service what its clients will ask, and says which layer is wrong."""
