"""The one way in which a dataset fails a task."""


class DatasetError(Exception):
    """A dataset that cannot be used; the message names dataset, revision, column and what to do."""
