"""Names of containers: the rule they follow and the ones made up for nameless containers.

Pure: the number that picks a made-up name is handed in.
"""

import re

from engine.errors import InvalidParameter

_NAME = re.compile(r"/?([a-zA-Z0-9][a-zA-Z0-9_.-]{1,127})")

_ADJECTIVE_TEXT = """
    agile amber ample brave bright brisk calm candid clear clever coral cosy crisp daring deft eager early earnest fair fleet
    fond frank fresh gentle glad golden grand green handy happy honest humble jolly keen kind light lively lucid lucky merry
    mild neat noble open patient plain polite proud quick quiet rapid ready shiny silver smart solid steady sunny swift tidy
    tender true vivid warm wise witty zesty
"""
_NOUN_TEXT = """
    anvil apron awl basin bench bevel bobbin brush burin canvas caliper chisel clamp compass crayon dowel drill easel file forge
    frame gauge gouge graver hammer hinge jig kiln knife ladle lathe ledger lens level loom mallet mandrel mortar needle
    palette pencil pestle pigment plane pliers press quill rasp rivet ruler saw scraper screw shears shuttle spindle spool
    square stencil stylus tongs trowel vise wheel wrench
"""
_ADJECTIVES = _ADJECTIVE_TEXT.split()
_NOUNS = _NOUN_TEXT.split()


def parse_name(text: str) -> str:
    """Return the name without the slash that Docker's clients may put before it. Raises InvalidParameter."""
    match = _NAME.fullmatch(text)
    if match is None:
        raise InvalidParameter(
            f"invalid container name {text[:140]!r}: use 2 to 128 of a-z, A-Z, 0-9, underscore, dot and dash,"
            " beginning with a letter or digit"
        )
    return match[1]


def made_up_name(number: int) -> str:
    """Return ``adjective_noun`` for a number; from the second round on with the round's number behind it."""
    rest, adjective = divmod(number, len(_ADJECTIVES))
    turn, noun = divmod(rest, len(_NOUNS))
    return f"{_ADJECTIVES[adjective]}_{_NOUNS[noun]}{turn or ''}"
