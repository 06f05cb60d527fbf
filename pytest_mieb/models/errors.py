"""The one error of this package."""


class ModelError(Exception):
    """A model that cannot be loaded or used; the message says why and what to do."""


def first_line(error: BaseException) -> str:
    """The first line of what an error says, or its name where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
