"""Docker's user text against passwd and group files."""

import pytest

from engine.runtime.steps import LaunchError
from engine.runtime.users import Account, find_account

PASSWD = """root:x:0:0:root:/root:/bin/sh
ada:x:1000:1001:Ada:/home/ada:/bin/sh
2000:x:3000:3000::/home/number:/bin/sh
broken line
half:x:notanumber:1::/:
homeless:x:1500:1500:::/bin/sh
"""
GROUP = """root:x:0:
ada:x:1001:
lab:x:2000:ada,bob
wheel:x:10:root,ada
broken
"""


@pytest.mark.parametrize(
    ("user", "additional", "expected"),
    [
        ("", [], Account(0, 0, [0, 10], "/root")),
        ("root", [], Account(0, 0, [0, 10], "/root")),
        ("ada", [], Account(1000, 1001, [1001, 2000, 10], "/home/ada")),
        ("1000", [], Account(1000, 1001, [1001, 2000, 10], "/home/ada")),
        ("ada:lab", [], Account(1000, 2000, [2000], "/home/ada")),
        ("ada:77", [], Account(1000, 77, [77], "/home/ada")),
        (":lab", [], Account(0, 2000, [2000], "/root")),
        ("4242", [], Account(4242, 0, [0], "/")),
        ("4242:4343", [], Account(4242, 4343, [4343], "/")),
        ("2000", [], Account(3000, 3000, [3000], "/home/number")),
        ("homeless", [], Account(1500, 1500, [1500], "/")),
        ("4242", ["wheel", "99", "99"], Account(4242, 0, [0, 10, 99], "/")),
    ],
)
def test_user_texts(user: str, additional: list[str], expected: Account) -> None:
    assert find_account(user, additional, passwd=PASSWD, group=GROUP) == expected


@pytest.mark.parametrize(
    ("user", "additional", "message"),
    [
        ("bob", [], "unable to find user bob"),
        ("ada:band", [], "unable to find group band"),
        ("ada", ["band"], "unable to find group band"),
        ("2147483648", [], "must be in range 0-2147483647, got 2147483648"),
        ("9" * 5000, [], "must be in range"),
        ("-1", [], "unable to find user -1"),
        ("half", [], "unable to find user half"),
    ],
)
def test_user_texts_that_name_nobody(user: str, additional: list[str], message: str) -> None:
    with pytest.raises(LaunchError, match=message) as caught:
        find_account(user, additional, passwd=PASSWD, group=GROUP)
    assert (caught.value.step, caught.value.exit_code) == ("user", 126)


def test_an_image_without_account_files_has_numbers_only() -> None:
    assert find_account("", [], passwd="", group="") == Account(0, 0, [0], "/")
    assert find_account("7:8", [], passwd="", group="") == Account(7, 8, [8], "/")
