"""Says in words why an export or a verification was not finished: the trail's entry tells it to people, for whom a class's name says nothing."""

import re

_OTHER = "an error of Rapport's own, told in its log"
_WORDS = {
    "RecordUnreadable": "the record in the EHR could not be read",
    "AskFirst": "its few days tell how far days are shifted",
    "SettingsInvalid": "a setting of this site cannot be used",
    "DBAPIError": "the ledger could not be read",
    "OSError": "a file could not be written",
    "CancelledError": "it was stopped",
    "KeyboardInterrupt": "it was stopped",
}
_OF_OLD = re.compile(r"(It was not finished|It failed)( \()(\w+)(\).*)")


def why_unfinished(error: BaseException) -> str:
    """Say in words, without what the error itself says, what kind of error it was."""
    classes = (each.__name__ for each in type(error).__mro__)
    return next((_WORDS[name] for name in classes if name in _WORDS), _OTHER)


def reworded(failure: str) -> str:
    """Give an entry's failure in words; earlier versions named a class, and an entry stays as it was written."""
    return _OF_OLD.sub(lambda found: f"{found[1]}{found[2]}{_WORDS.get(found[3], _OTHER)}{found[4]}", failure)
