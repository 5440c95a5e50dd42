"""The commands, one file each: `register(commands)` adds its arguments, and what runs it."""

from . import check, conform, experiments, listing

COMMANDS = (check, listing, experiments, conform)
