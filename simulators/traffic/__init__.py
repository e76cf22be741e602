"""Realistic traffic of many WeCom customers, and what became of each of their messages."""
