"""Tells people and programs elsewhere what became of a command."""
