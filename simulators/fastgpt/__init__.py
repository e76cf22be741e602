"""A FastGPT server to test FastGPT clients against: its HTTP API, without its models, datasets or console."""
