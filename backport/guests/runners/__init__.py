"""Ways to boot a kernel: each is a `Runner`."""

from __future__ import annotations

from collections.abc import Mapping

from backport.guests.runners.base import BootOutput, BootRequest, Runner
from backport.guests.runners.qemu import QemuRunner

# Under TCG a guest instruction costs about ten of the host's, and the host may be busy.
RUNNERS: Mapping[str, Runner] = {
    "kvm": QemuRunner("kvm", accel="kvm", cpu="host", patience=1.0),
    "tcg": QemuRunner("tcg", accel="tcg,thread=multi", cpu="max", patience=4.0),
}

__all__ = ["RUNNERS", "BootOutput", "BootRequest", "Runner"]
