"""A version that no image can be tagged with is refused before anything is built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deploy_action.config import load, select_environment
from deploy_action.errors import BadInput
from deploy_action.images.resolve import resolve_image
from deploy_action.inputs import Inputs


@pytest.mark.parametrize("version", ["lat est", "release/1.0", "-v1", "v1:2", "x" * 129])
def test_what_can_be_no_tag_is_no_version(tmp_path: Path, version: str) -> None:
    """Neither the engine nor a build is asked."""
    file = tmp_path / "deploy.yaml"
    file.write_text("version: 1\nservice: shop\nbuild: {context: .}\nport: 80\n")
    untouched: Any = None
    with pytest.raises(BadInput, match="cannot be a version"):
        resolve_image(
            select_environment(load(file), None),
            Inputs(config=file, version=version),
            untouched,
            untouched,
        )
