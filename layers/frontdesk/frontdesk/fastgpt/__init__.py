"""The company's FastGPT app over HTTP."""
