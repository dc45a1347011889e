"""The one error that the test bed reports to its user without a traceback."""


class TestbedError(Exception):
    """What failed, where, and the next command, in one message."""

    __test__ = False  # pytest would collect it by its name
