"""SciPy's compiled kernels, loaded without the Python packages around them.

`import scipy.fft` takes more processor time than all else that a starting voice imports; nearly all
of it prepares for array libraries other than numpy. A kernel loads in a few milliseconds and gives
the same bits. Where SciPy keeps its kernels is not part of its public interface: each module that
uses one calls it once when it is imported, and takes SciPy's public functions if that fails.
"""

from __future__ import annotations

import sys
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType

KERNEL_ERRORS = (ImportError, AttributeError, TypeError, ValueError)  # of another SciPy's kernels


def load_kernel(folder: str, name: str) -> ModuleType:
    """The extension module `name` in a folder of SciPy, such as "fft/_pocketfft".

    Raises
    ------
    ImportError
        SciPy has no such module.
    """
    full_name = f"scipy.{folder.replace('/', '.')}.{name}"
    if full_name in sys.modules:
        return sys.modules[full_name]
    package = find_spec("scipy")  # which does not import it
    if package is None or package.origin is None:
        raise ImportError(full_name)
    path = Path(package.origin).parent / folder
    finder = FileFinder(str(path), (ExtensionFileLoader, EXTENSION_SUFFIXES))
    spec = finder.find_spec(name)
    if spec is None or spec.loader is None:
        raise ImportError(full_name)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
