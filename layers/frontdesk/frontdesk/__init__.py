"""Frontdesk: WeCom customers are answered by the company's own FastGPT app."""
