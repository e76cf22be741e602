"""微信客服 (kf): the accounts that customers write to from WeChat, the log that the bot pulls, and the staff beside it.

`api` has the endpoints under `/cgi-bin/kf/`, `desk.KfDesk` is what customers and staff do, as a Python object (the
simulator's `kf`), and `control` is the same over HTTP. What is remembered is in `memory`.
"""
