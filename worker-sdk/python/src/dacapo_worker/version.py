"""The version of this library, as in pyproject.toml."""

VERSION = "0.1.0"
