"""All chapters of the casebook."""

from . import cpu_cases, disk_cases, healthy_cases, mixed_cases, nested_cases
from .case import Case

CASES: tuple[Case, ...] = tuple(case for chapter in (healthy_cases, disk_cases, cpu_cases, mixed_cases, nested_cases) for case in chapter.BOOK.cases)


def named(names: list[str]) -> list[Case]:
    """The cases of these names, in the book's order. Raises KeyError for a name that is none."""
    unknown = set(names) - {case.name for case in CASES}
    if unknown:
        raise KeyError(f"no case is called {', '.join(sorted(unknown))}; --list tells all")
    return [case for case in CASES if not names or case.name in names]
