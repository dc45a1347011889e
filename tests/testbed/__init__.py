"""The test bed: a simulated outside world and simulated nodes, in Docker."""
