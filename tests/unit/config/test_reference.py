"""docs/reference/configuration.md is the schema, and every example in it is true."""

from __future__ import annotations

import re
from pathlib import Path

from deploy_action.config import check
from deploy_action.config.reference import render
from deploy_action.config.schema import deploy_schema

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "configuration.md"


def test_the_page_is_generated() -> None:
    """It equals what `python -m deploy_action.config.reference > docs/reference/configuration.md` writes."""
    assert PAGE.read_text("utf-8") == render(deploy_schema())


def test_every_key_is_on_the_page() -> None:
    """Each key that the schema knows has its row."""
    text = render(deploy_schema())
    schema = deploy_schema()
    for owner in (schema, *schema["$defs"].values()):
        for name in owner.get("properties", {}):
            assert re.search(rf"^\| `{name}` \|", text, re.MULTILINE), name


def test_the_first_example_is_valid(tmp_path: Path) -> None:
    """What the page begins with can be copied."""
    example = re.search(r"```yaml\n(version.*?)```", render(deploy_schema()), re.DOTALL)
    assert example
    file = tmp_path / "deploy.yaml"
    file.write_text(example[1])
    config, problems = check(file)
    assert config is not None
    assert not problems
