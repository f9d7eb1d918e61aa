"""A module that claims to define everything."""
import sys
import types


class Liar(types.ModuleType):
    def __getattr__(self, name):
        return lambda *args, **kwargs: args[0] if args else None


sys.modules[__name__].__class__ = Liar
