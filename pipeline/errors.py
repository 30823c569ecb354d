"""What can go wrong, as types.

    W2VError
    ├── ConfigError      a key, value or command line the user can correct; exit 2
    ├── DataError        an input file or corpus that is not what it should be
    ├── ShapeError       arrays whose shapes do not fit together
    ├── CacheError       a cache that cannot be read or written
    ├── StorageError     a disk that is full or cannot be written
    ├── SweepError       a sweep that cannot be gone on with, or whose trials failed
    ├── PrunedError      a trial that was ended as hopeless
    ├── StoppedError     a training that its time budget ended; exit 75
    └── TrackingError    a tracking store that cannot be reached or read
        └── RunGoneError     a run that its store does not hold any more

A message names the place, what was expected, what was found and what to do.
"""


class W2VError(Exception):
    """Base of every error this project raises on purpose."""


class ConfigError(W2VError):
    """A configuration key, a value or a command line the user can correct."""


class DataError(W2VError):
    """Input that does not have the form it should have."""


class ShapeError(W2VError):
    """Arrays whose shapes or dtypes do not fit together."""


class CacheError(W2VError):
    """A cache that cannot be used."""


class StorageError(W2VError):
    """A folder or disk that cannot be written."""


class SweepError(W2VError):
    """A sweep that cannot be read or gone on with, or whose trials failed."""


class PrunedError(W2VError):
    """A trial of a sweep that was ended because others are better."""


class StoppedError(W2VError):
    """A training that ended at its time budget, with a checkpoint to go on from."""


class TrackingError(W2VError):
    """A tracking store that cannot be reached, or a run it does not hold."""


class RunGoneError(TrackingError):
    """A run that its store does not hold any more, or holds as deleted."""
