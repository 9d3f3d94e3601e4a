"""The guard of tests/conftest.py against tests that quietly do not run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
NAMES = ("CI", "DEPLOY_ACTION_NO_SKIPS")

SKIPS = {
    "a call": "import pytest\ndef test_it():\n    pytest.skip('no engine')\n",
    "a mark": "import pytest\n@pytest.mark.skip(reason='no engine')\ndef test_it(): ...\n",
    "a condition": "import pytest\n@pytest.mark.skipif(True, reason='no engine')\ndef test_it(): ...\n",
    "a module": "import pytest\npytest.skip('no engine', allow_module_level=True)\n",
    "a fixture": "import pytest\n@pytest.fixture\ndef engine():\n    pytest.skip('no engine')\n"
    "def test_it(engine): ...\n",
}


def run(folder: Path, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one test module below the real conftest.py."""
    shutil.copy(CONFTEST, folder / "conftest.py")
    (folder / "test_it.py").write_text(code)
    inherited = {name: value for name, value in os.environ.items() if name not in NAMES}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir=.", "."],
        cwd=folder,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("way", SKIPS)
def test_a_skip_fails_under_make_and_in_ci(tmp_path: Path, way: str, name: str) -> None:
    """Whatever way a test is skipped, the run fails and repeats the reason."""
    ran = run(tmp_path, SKIPS[way], **{name: "true"})
    assert ran.returncode != 0
    assert "must not be skipped here" in ran.stdout
    assert "no engine" in ran.stdout


@pytest.mark.parametrize("way", ["a call", "a mark"])
def test_a_skip_is_a_skip_for_who_runs_pytest_by_hand(tmp_path: Path, way: str) -> None:
    """Without make and CI, pytest's own ways are left alone."""
    assert run(tmp_path, SKIPS[way]).returncode == 0


def test_an_expected_failure_stays_one(tmp_path: Path) -> None:
    """An xfail is reported by pytest as a skip, and is none."""
    code = "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_it(): assert 0\n"
    assert run(tmp_path, code, CI="true").returncode == 0
