"""The page of the local run: chat as a customer, and see what happened to each message.

It looks at the deployment from outside only: the customer's chat is the WeCom simulator's, what happened to a message
is read from the functions' log lines, the session from its table, the archived document from its bucket.
"""
