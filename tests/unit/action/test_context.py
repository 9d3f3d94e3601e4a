"""Who deploys what, as the runner's variables say it."""

from __future__ import annotations

from deploy_action.github.context import Context

PUSH = {
    "GITHUB_ACTOR": "ada",
    "GITHUB_SHA": "0123456789abcdef0123456789abcdef01234567",
    "GITHUB_REPOSITORY": "acme/shop",
    "GITHUB_RUN_ID": "42",
    "GITHUB_REF_TYPE": "branch",
    "GITHUB_REF_NAME": "main",
}


def test_a_branch_deploys_its_commit() -> None:
    """Without a tag the version is the short commit, and a branch's name is no version."""
    context = Context.read(PUSH)
    assert context.version == "0123456789ab"
    assert context.run_url == "https://github.com/acme/shop/actions/runs/42"


def test_a_tag_deploys_itself() -> None:
    """The tag's name is the version."""
    tagged = PUSH | {"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v1.4.2"}
    assert Context.read(tagged).version == "v1.4.2"


def test_who_presses_re_run_is_the_one_who_deploys() -> None:
    """The ledger names who triggered this run, not who pushed once."""
    assert Context.read(PUSH | {"GITHUB_TRIGGERING_ACTOR": "grace"}).actor == "grace"
    assert Context.read(PUSH).actor == "ada"


def test_an_enterprise_server_is_named() -> None:
    """The run's page is where the runner says."""
    there = PUSH | {"GITHUB_SERVER_URL": "https://git.acme.example"}
    assert Context.read(there).run_url.startswith("https://git.acme.example/acme/shop/")


def test_a_run_says_where_the_api_is_and_where_its_event() -> None:
    """On github.com, on an Enterprise Server, and where nobody says it."""
    assert Context.read(PUSH).api_url == "https://api.github.com"
    there = PUSH | {
        "GITHUB_API_URL": "https://git.acme.example/api/v3",
        "GITHUB_EVENT_PATH": "/github/workflow/event.json",
        "GITHUB_ACTIONS": "true",
    }
    context = Context.read(there)
    assert context.api_url == "https://git.acme.example/api/v3"
    assert context.on_github
    assert context.event_file == "/github/workflow/event.json"


def test_outside_of_a_run_everything_is_empty() -> None:
    """Nothing is made up."""
    assert Context.read({}) == Context(
        actor="", commit="", repository="", repository_url="", run_url="", tag=""
    )
