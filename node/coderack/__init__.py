"""The `coderack` program on a node: standard library only, shipped as one zipapp."""
