"""Words that come from the database and yet have a translation: those of the demonstration class."""

from django.utils.translation import pgettext


def localize(words: str) -> str:
    """Return ``words`` in the reader's language if they are the demonstration's, else as somebody wrote them."""
    return pgettext("demo", words) if words else ""
