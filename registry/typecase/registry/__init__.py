"""Registries on SQL databases, their encryption, and the command line."""
