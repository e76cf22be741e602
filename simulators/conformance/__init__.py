"""Does a bot for 微信客服 survive what WeCom does to it? Scenarios against any bot, whatever it is written in.

The simulated WeCom plays customers, staff and platform; the bot under test uses it as its API. `catalogue` lists the
checks, `examination` runs them, `report` shows what was seen.
"""
