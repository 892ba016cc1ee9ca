"""What must come of mixtures of an old and a new network device, and how both behave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from backport.values.version import Range, Version

HOST, WIRE = "host", "wire"  # both pods on one host; each in a guest of its own
PLACES = (HOST, WIRE)


@dataclass(frozen=True)
class Load:
    """One kind of traffic between two pods; `expect` is the word for what must come of it."""

    name: str
    what: str
    places: tuple[str, ...]
    expect: str
    quick: bool


@dataclass(frozen=True)
class Life:
    """What happens to devices under traffic; `most` bounds the figures that the guest gives."""

    name: str
    what: str
    expect: str
    most: Mapping[str, int]


@dataclass(frozen=True)
class Behaviour:
    """One question with the answer of each device, and what that means to an operator."""

    name: str
    what: str
    answers: Mapping[str, str]
    means: str


@dataclass(frozen=True)
class Exempt:
    """Kernels of a range do something else; a family of 0 and a device of "" are any."""

    name: str
    family: int
    device: str
    versions: Range
    expect: str
    reason: str


@dataclass(frozen=True)
class Expected:
    """One thing to be found out: its name, the word for it, and why it is not the usual one."""

    name: str
    group: str  # place, "lives" or "behaviour"
    what: str  # the load, the life or the question
    devices: tuple[str, ...]
    family: int
    word: str
    reason: str
    most: Mapping[str, int]


@dataclass(frozen=True)
class Plan:
    """All of a series' mixtures."""

    devices: tuple[str, ...]
    families: tuple[int, ...]
    loads: tuple[Load, ...]
    lives: tuple[Life, ...]
    behaviours: tuple[Behaviour, ...]
    exempt: tuple[Exempt, ...]

    def mixtures(self, place: str, kernel: Version, *, quick: bool = False) -> Iterator[Expected]:
        """Each load between each two devices, over each family."""
        for load in self.loads:
            if place not in load.places or (quick and not load.quick):
                continue
            for left, right in ((a, b) for a in self.devices for b in self.devices):
                for family in self.families:
                    name = f"{place}.{left}.{right}.v{family}.{load.name}"
                    word, reason = self._word(load.name, load.expect, family, "", kernel)
                    pair = (left, right)
                    yield Expected(name, place, load.name, pair, family, word, reason, {})

    def lives_of(self, kernel: Version) -> Iterator[Expected]:
        """Each life of each device."""
        for life, device in ((one, device) for one in self.lives for device in self.devices):
            word, reason = self._word(life.name, life.expect, 0, device, kernel)
            name = f"{life.name}_{device}"
            yield Expected(name, "lives", life.name, (device,), 0, word, reason, life.most)

    def answers(self, kernel: Version) -> Iterator[Expected]:
        """Each question to each device."""
        for one, device in ((one, device) for one in self.behaviours for device in self.devices):
            word, reason = self._word(one.name, one.answers[device], 0, device, kernel)
            name = f"{one.name}:{device}"
            yield Expected(name, "behaviour", one.name, (device,), 0, word, reason, {})

    def _word(
        self, name: str, usual: str, family: int, device: str, kernel: Version
    ) -> tuple[str, str]:
        for one in self.exempt:
            same = one.name == name and kernel in one.versions
            if same and one.family in {0, family} and one.device in {"", device}:
                return one.expect, one.reason
        return usual, ""
