"""Why something is not done, for whoever asked: what all refusals of the portal have in common."""

from abc import ABC, abstractmethod


class Refusal(Exception, ABC):
    """A known reason not to do it."""

    @abstractmethod
    def explain(self) -> str:
        """Return the reason and the way out, in the reader's language."""
