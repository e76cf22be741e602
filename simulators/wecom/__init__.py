"""A WeCom (企业微信) server for testing self-built apps: API, encrypted callbacks, scripted faults.

It knows nothing about any particular bot. `app.create_app` makes an ASGI application, `simulator.WecomSimulator` is the
same as a Python object, `python -m simulators.wecom` runs it alone, and README.md shows it in use.
"""
