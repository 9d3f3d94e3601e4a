"""Files for containers: whom they belong to, and how they travel."""

from __future__ import annotations

import io
import tarfile

import pytest

from deploy_action.inputs import Secret
from deploy_action.platforms.docker.engine.files import pack, user_id

PASSWD = b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/app:/bin/false\ntorn\nodd:x:-1:0::/:\n"


@pytest.mark.parametrize(
    ("user", "number"),
    [
        ("", 0),
        ("1234", 1234),
        ("1234:5", 1234),
        ("app", 1000),
        ("app:staff", 1000),
        ("root", 0),
        ("torn", 0),
        ("odd", 0),
        ("nobody", 0),
    ],
)
def test_a_user_is_known_by_number_or_by_the_images_own_name(user: str, number: int) -> None:
    """An unknown name gets nothing of its own: the engine refuses to start such a container."""
    assert user_id(user, lambda: PASSWD) == number


def test_the_image_is_read_only_for_a_name() -> None:
    """A number needs no passwd file, which an image from scratch lacks."""

    def unread() -> bytes:
        raise AssertionError("a number is enough")

    assert user_id("65532:65532", unread) == 65532


def test_files_travel_byte_by_byte_and_belong_to_their_user_alone() -> None:
    """No line break is added, and what no encoding knows arrives as it was; others read plain ones."""
    given: dict[str, Secret | str] = {
        "run/a": Secret("ü\r\n"),
        "b": Secret("\udcff"),
        "c": "text",
        "d": "#!/bin/sh",
    }
    with tarfile.open(fileobj=io.BytesIO(pack(given, 1000))) as archive:
        members = archive.getmembers()
        contents = [archive.extractfile(member) for member in members]
        read = [file.read() for file in contents if file is not None]
    assert [(m.name, m.mode, m.uid, m.gid) for m in members] == [
        ("run/a", 0o400, 1000, 0),
        ("b", 0o400, 1000, 0),
        ("c", 0o444, 1000, 0),
        ("d", 0o555, 1000, 0),
    ]
    assert read == ["ü\r\n".encode(), b"\xff", b"text", b"#!/bin/sh"]
