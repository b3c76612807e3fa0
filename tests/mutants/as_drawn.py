"""A plugin of pytest: hypothesis reports a failure as it was drawn; a smaller one would take minutes."""

from hypothesis import Phase, settings

settings.register_profile("as-drawn", phases=(Phase.explicit, Phase.generate), database=None)
settings.load_profile("as-drawn")
