"""The gates of `mutate` that need a compiler: is a result without a rule configured, and compiled?

They work in directories of their own, so that a run's kernel stays as it was built.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from backport.advice.mutate import Gate, Noticed, Outlook
from backport.doors import files
from backport.doors.cache import Cache
from backport.doors.git import Git
from backport.kernel import bisect
from backport.kernel.checkout import checkout
from backport.kernel.configure import ConfigLost, ConfigureRequest, configure
from backport.readers.manifest import fragment_files
from backport.values.events import Emit, silent
from backport.values.series import Series
from backport.values.target import Target


@dataclass
class Compiler:
    """Configures and compiles results of a series on a target, one after the other.

    `data` is the folder that holds kconfig/.
    """

    git: Git
    series: Series
    target: Target
    data: Path
    cache: Cache
    emit: Emit = silent
    configs: dict[str, Path] = field(default_factory=dict)  # by tree, of those that hold

    @property
    def gates(self) -> tuple[Gate, ...]:
        """What `mutate` asks behind its own gates."""
        return (Noticed.CONFIG, self.configured), (Noticed.OBJECTS, self.compiled)

    def configured(self, outlook: Outlook) -> str:
        """Which symbol of the target's configuration is lost; '' if none."""
        source = self.cache.trees / self._name
        checkout(self.git, outlook.tree, source, self.emit)
        request = ConfigureRequest(
            source,
            self.cache.build / self._name,
            fragment_files(self.data, self.target.fragments),
            self._log,
            arch=self.target.arch,
            variables=self.target.make_variables,
        )
        try:
            made = configure(request)
        except ConfigLost as err:
            return f"CONFIG_{err.losses[0].lost.symbol} is lost"
        kept = self._log.with_suffix(".config")
        files.write(kept, made.config.read_bytes())
        self.configs[outlook.tree] = kept
        return ""

    def compiled(self, outlook: Outlook) -> str:
        """Which file does not compile, in the configuration or a variant of it; '' if all do."""
        steps = (bisect.Step("without the rule", "", outlook.tree),)
        request = bisect.Request(
            self.git,
            outlook.course.ground.base.tree,
            steps,
            self.configs[outlook.tree],
            self.cache.trees / self._name,
            self.cache.build / self._name,
            self.cache.build / "bisected",
            self._log,
            self.target.arch,
            self.target.make_variables,
            emit=self.emit,
            variants=tuple(
                bisect.Variant(variant.name, fragment_files(self.data, variant.fragments))
                for variant in self.series.variants
            ),
        )
        try:
            bisect.compile_steps(request)
        except bisect.ObjectsFailed as err:
            return err.where
        except ConfigLost as err:
            return f"CONFIG_{err.losses[0].lost.symbol} in a variant"
        return ""

    @property
    def _name(self) -> str:
        return f"{self.series.name}-{self.target.name}-mutated"

    @property
    def _log(self) -> Path:
        return self.cache.build / f"{self._name}.log"
