"""The page of the local run: chat as a customer, take one over as a colleague, and see what happened to each message.

It looks at the deployment from outside only: the chats are the WeCom simulator's, what happened to a message is read
from the functions' log lines, the session and who attends from their tables, the archived document from its bucket.
"""
