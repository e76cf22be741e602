"""Measures Frontdesk: `python -m bench` prints each figure beside its baseline, measured in the same run."""
