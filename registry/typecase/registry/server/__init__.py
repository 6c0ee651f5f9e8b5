"""The registry server: one registry for a team."""
