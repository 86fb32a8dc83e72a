"""The Kubernetes operator for Pryv.io platforms."""

import os as _os
from pathlib import Path as _Path

__version__ = "0.1.0"

# The Kubernetes client asks for the home folder when it is imported, and a pod's uid may have no
# passwd entry. Nothing is read or written there.
try:
    _Path.home()
except RuntimeError:
    _os.environ["HOME"] = "/"
