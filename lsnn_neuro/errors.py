"""Every error a user can cause.

::

    LSNNError                    the base: one line that says object, value found, value allowed, remedy
    ├── RecipeError              a recipe or an option holds a wrong value
    ├── DataError                a data set is missing, incomplete or corrupt
    ├── FileFormatError          a checkpoint, network or artifact file can't be read as what it should be
    ├── NetworkError             a network description has a wrong shape, type, range or endpoint
    │   └── DesignRuleError      a network breaks a rule of the chip that was not allowed to be broken
    ├── TrainingError            a training run can't go on (NaN, divergence, a run folder in the way)
    ├── TargetUnavailableError   a target can't run on this machine, and why
    └── TargetFailedError        a target started and then died, hung or gave back nonsense

The command line prints an ``LSNNError`` as one line and ends with exit code 1. Anything else that
comes up is a bug and keeps its traceback.
"""


def _printable(letter: str) -> str:
    """A letter as a terminal may print it."""
    if letter.isprintable():
        return letter
    return " " if letter.isspace() else letter.encode("unicode_escape").decode()


class LSNNError(Exception):
    """Base of all errors a user can cause; its text is one readable line, whatever it quotes from a file."""

    def __init__(self, text: object = ""):
        super().__init__("".join(map(_printable, str(text))))


class RecipeError(LSNNError):
    """A recipe or an option holds a wrong value."""


class DataError(LSNNError):
    """A data set is missing, incomplete or corrupt."""


class FileFormatError(LSNNError):
    """A file can't be read as what it should be."""


class NetworkError(LSNNError):
    """A network description has a wrong shape, type, range or endpoint."""


class DesignRuleError(NetworkError):
    """A network breaks a rule of the chip that was not allowed to be broken."""


class TrainingError(LSNNError):
    """A training run can't start or can't go on."""


class TargetUnavailableError(LSNNError):
    """A target can't run on this machine; the text is the reason."""


class TargetFailedError(LSNNError):
    """A target started and then died, hung or gave back nonsense."""
