"""What the demo promised and what came of it: each step said aloud with a tick or a cross, and counted."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape


class StepFailed(Exception):
    """A step did not hold and what follows makes no sense without it; it has been told already."""


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    held: bool
    told: str


@dataclass(slots=True)
class Steps:
    """The ledger of one demo. Nothing is taken back from it."""

    console: Console
    steps: list[Step] = field(default_factory=list)

    def tell(self, name: str, held: bool, told: str) -> bool:
        """Enter a step and print it; gives `held` back."""
        self.steps.append(Step(name, held, told))
        mark = "[bold green]✓[/]" if held else "[bold red]✗[/]"
        self.console.print(f"  {mark} [bold]{escape(name)}[/]: {escape(told)}")
        return held

    def need(self, name: str, held: bool, told: str) -> None:
        """As tell(), but raises StepFailed when it did not hold."""
        if not self.tell(name, held, told):
            raise StepFailed(name)

    @property
    def failed(self) -> list[Step]:
        return [step for step in self.steps if not step.held]
