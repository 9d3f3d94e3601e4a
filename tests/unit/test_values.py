"""The frozen dataclasses of this project behave as those of the standard library do."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from dataclasses import field
from typing import Any

import pytest

from deploy_action import values


@values.dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """A value of every kind of field."""

    name: str
    number: float = 1
    items: tuple[Any, ...] = ()
    options: dict[str, int] = field(default_factory=dict)
    secret: str = field(default="s3cret", repr=False)
    note: str = field(default="", compare=False)

    @property
    def title(self) -> str:
        """Derived."""
        return self.name.title()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Theirs:
    """The same by the standard library."""

    name: str
    number: float = 1
    items: tuple[Any, ...] = ()
    options: dict[str, int] = field(default_factory=dict)
    secret: str = field(default="s3cret", repr=False)
    note: str = field(default="", compare=False)

    @property
    def title(self) -> str:
        """Derived."""
        return self.name.title()


@values.dataclass(frozen=True, slots=True)
class Place:
    """Fields by position."""

    line: int
    column: int


@values.dataclass(frozen=True, slots=True)
class Nothing:
    """No field at all."""


def outcome(act: Callable[[], object]) -> object:
    """Return what a call returns, or the kind and words of what it raises."""
    try:
        return act()
    except (TypeError, AttributeError) as error:
        return type(error), str(error).replace("Theirs", "Ours")


ACTS: dict[str, Callable[[Any], object]] = {
    "shown": lambda kind: repr(kind(name="a", note="n")).replace("Theirs", "Ours"),
    "equal": lambda kind: kind(name="a") == kind(name="a", note="not compared"),
    "equal numbers": lambda kind: kind(name="a", number=1) == kind(name="a", number=1.0),
    "unequal": lambda kind: kind(name="a") == kind(name="b"),
    "of another class": lambda kind: kind(name="a") == ("a", 1, (), {}, "s3cret"),
    "unhashable content": lambda kind: hash(kind(name="a")),
    "same hash": lambda kind: (
        hash(kind(name="a", options=())) == hash(kind(name="a", options=(), note="n"))
    ),
    "in a set": lambda kind: len({kind(name=n, options=()) for n in "aab"}),
    "replaced": lambda kind: dataclasses.astuple(dataclasses.replace(kind(name="a"), number=2)),
    "as a dictionary": lambda kind: dataclasses.asdict(kind(name="a", options={"b": 1})),
    "copied": lambda kind: copy.copy(kind(name="a")) == kind(name="a"),
    "copied deeply": lambda kind: copy.deepcopy(kind(name="a")) == kind(name="a"),
    "pickled": lambda kind: pickle.loads(pickle.dumps(kind(name="a"))) == kind(name="a"),
    "assigned": lambda kind: setattr(kind(name="a"), "name", "b"),
    "assigned to nothing": lambda kind: setattr(kind(name="a"), "title", "b"),
    "deleted": lambda kind: delattr(kind(name="a"), "name"),
    "no name": lambda kind: kind(),
    "by position": lambda kind: kind("a"),
    "unknown": lambda kind: kind(name="a", other=1),
    "no dictionary": lambda kind: hasattr(kind(name="a"), "__dict__"),
    "matched": lambda kind: kind.__match_args__,
    "signature": lambda kind: str(inspect.signature(kind)),
    "fields": lambda kind: [str(item) for item in dataclasses.fields(kind)],
}
DIFFERENT = {"assigned to nothing": "cannot assign to field 'title'"}


@pytest.mark.parametrize("act", ACTS)
def test_it_does_what_the_standard_library_does(act: str) -> None:
    """Shown, compared, hashed, copied, replaced, refused: with the same result and words."""
    ours, theirs = (outcome(lambda kind=kind: ACTS[act](kind)) for kind in (Ours, Theirs))  # type: ignore[misc]
    if act in DIFFERENT:
        assert ours == (dataclasses.FrozenInstanceError, DIFFERENT[act])
    else:
        assert ours == theirs


def test_a_name_that_is_no_field_cannot_be_assigned() -> None:
    """There is no slot for it."""
    with pytest.raises(AttributeError):
        Place(1, 2).row = 3  # type: ignore[attr-defined]


def test_fields_by_position_and_no_fields_work_as_well() -> None:
    """One getter serves any number of fields."""
    assert Place(1, 2) == Place(line=1, column=2)
    assert Place(1, 2) != Place(2, 1)
    assert Place.__match_args__ == ("line", "column")
    assert Nothing() == Nothing()
    assert hash(Nothing()) == hash(())


def test_what_contains_itself_can_be_shown() -> None:
    """As in the standard library, the inner one is three dots."""
    items: list[object] = []
    value = Ours(name="a", items=(items,))
    items.append(value)
    assert "[...]" in repr(value)


def test_other_kinds_of_classes_are_refused() -> None:
    """Nobody gets a class that is not frozen without noticing."""
    with pytest.raises(TypeError, match="only for frozen classes with slots"):
        values.dataclass(frozen=False, slots=True)


def test_a_class_keeps_the_methods_that_it_has() -> None:
    """A secret is shown as three stars, and a class may say what equal means."""

    @values.dataclass(frozen=True, slots=True)
    class Own:  # noqa: PLW1641 - the shared hash is the subject
        value: str

        def __repr__(self) -> str:
            return "***"

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Own)

    assert repr(Own("a")) == "***"
    assert Own("a") == Own("b")
    assert hash(Own("a")) == hash(Own("a"))
