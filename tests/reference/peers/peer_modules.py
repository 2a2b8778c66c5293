"""Single modules of the peers' packages: their packages as a whole want much more than a network needs."""

import importlib
import importlib.util
import sys
import types


def module_of(package, name):
    """The module `name` of an installed `package`, without running the package's own __init__, nor those in between."""
    parts = name.split(".")
    for depth in range(1, len(parts)):
        holder = ".".join(parts[:depth])
        if holder not in sys.modules:
            place = importlib.util.find_spec(holder)
            assert place is not None, f"{package} is not installed here: tools/check_peers.sh does it"
            sys.modules[holder] = types.ModuleType(holder)
            sys.modules[holder].__path__ = list(place.submodule_search_locations)
    return importlib.import_module(name)
