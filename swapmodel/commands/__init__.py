"""The commands, one file each: `register(commands)` adds its arguments, and what runs it."""

from . import ask, check, compare, conform, experiments, listing, replay, show, site, story, why

COMMANDS = (check, why, replay, compare, story, ask, show, listing, experiments, conform, site)
