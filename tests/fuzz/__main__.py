"""``python -m tests.fuzz TARGET --seconds N``: fuzz a target."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.fuzz import process, targets


def main() -> int:
    """Returns 0 without a finding, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", help=", ".join(targets.TARGETS))
    parser.add_argument(
        "--seconds",
        type=float,
        default=60.0,
        help="CPU seconds (default: 60; 0 only replays the corpus)",
    )
    parser.add_argument("--seed", type=int, help="seed of the inputs (default: a random one)")
    parser.add_argument(
        "--found",
        type=Path,
        default=Path(tempfile.gettempdir()) / "pryv-operator-fuzz",
        help="folder for the inputs of findings (default: %(default)s)",
    )
    options = parser.parse_args()
    seed = random.randrange(2**32) if options.seed is None else options.seed
    report = process.fuzz_here(options.target, options.found, seconds=options.seconds, seed=seed)
    figures = ", ".join(f"{name} {value:.6g}" for name, value in report.figures.items())
    print(f"{options.target} (seed {seed}): {figures}")
    print("\n".join(report.findings))
    return 1 if report.findings else 0


sys.exit(main())
