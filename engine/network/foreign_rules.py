"""Rules of other programs that packets of containers have to pass too: what one chain accepts, the next may still drop."""

import re
from collections.abc import Iterator

from engine.linux.nftables import Nftables
from engine.network.names import TABLE_PREFIX

_TABLE = re.compile(r"table (\S+) (\S+) \{")
_CHAIN = re.compile(r"\tchain (\S+) \{")
_DROPS = re.compile(r"\t\ttype filter hook forward priority [^;]+; policy drop;")


def closed_doors() -> list[str]:
    """Return the chains of others that drop what they do not know of the packets that the host forwards. Raises OSError."""
    nftables = Nftables()
    try:
        return list(dropping_chains(nftables.run("list chains")))
    finally:
        nftables.close()


def dropping_chains(listing: str) -> Iterator[str]:
    """Find them in what `nft list chains` prints."""
    table = chain = ""
    for line in listing.splitlines():
        if found := _TABLE.match(line):
            table = f"{found[1]} {found[2]}"
        elif found := _CHAIN.match(line):
            chain = found[1]
        elif _DROPS.match(line) and TABLE_PREFIX not in table:
            yield f"{table} {chain}"
