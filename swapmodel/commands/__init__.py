"""The commands, one file each: `register(commands)` adds its arguments, and what runs it."""

from . import ask, check, compare, conform, experiments, listing, show, site, story, why

COMMANDS = (check, why, compare, story, ask, show, listing, experiments, conform, site)
