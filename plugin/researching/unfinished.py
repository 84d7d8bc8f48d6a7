"""Says in words why an export was not finished: the trail's entry tells it to people, for whom a class's name says nothing."""

import re

_OTHER = "an error of Rapport's own, told in its log"
_WORDS = {
    "RecordUnreadable": "the record in the EHR could not be read",
    "SettingsInvalid": "a setting of this site cannot be used",
    "OSError": "a file could not be written",
}
_OF_OLD = re.compile(r"(It was not finished \()(\w+)(\); nothing was given)")


def not_finished(error: Exception) -> str:
    """Say that an export ended with an error, and with what kind of one."""
    classes = (each.__name__ for each in type(error).__mro__)
    why = next((_WORDS[name] for name in classes if name in _WORDS), _OTHER)
    return f"It was not finished ({why}); nothing was given"


def reworded(failure: str) -> str:
    """Give an entry's failure in words; earlier versions named a class, and an entry stays as it was written."""
    return _OF_OLD.sub(lambda found: f"{found[1]}{_WORDS.get(found[2], _OTHER)}{found[3]}", failure)
