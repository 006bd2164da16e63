"""The module as the runtime loads it: what a component exports, and what it imports.

Everything here needs the bindings that componentize-py makes (``wit_world``), so nothing outside of
a component imports it. ``dacapo build`` makes the module that does.
"""
