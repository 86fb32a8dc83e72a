"""``python -m tests.fuzz TARGET --seconds N``: fuzz for long, and keep what is worth it in the corpus (``--save``)."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.fuzz import process, targets


def main() -> int:
    """0: nothing was found; 1: something was."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", help=", ".join(targets.TARGETS))
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="how long (0: replay the corpus only)"
    )
    parser.add_argument(
        "--seed", type=int, help="of the random choices; without it, a new one each time"
    )
    parser.add_argument(
        "--save",
        action="store_true",
        help="add inputs that take steps no other one takes to the corpus",
    )
    parser.add_argument(
        "--found",
        type=Path,
        default=Path(tempfile.gettempdir()) / "pryv-operator-fuzz",
        help="folder for what is found",
    )
    chosen = parser.parse_args()
    seed = random.randrange(2**32) if chosen.seed is None else chosen.seed
    report = process.run_here(
        chosen.target, chosen.found, seconds=chosen.seconds, seed=seed, save=chosen.save
    )
    print(
        f"{chosen.target} (seed {seed}): "
        + ", ".join(f"{name} {value:.6g}" for name, value in report.figures.items())
    )
    print("\n".join(report.findings))
    return 1 if report.findings else 0


sys.exit(main())
