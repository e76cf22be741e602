"""Scans what is written and what is deployed for what is known to go wrong."""
