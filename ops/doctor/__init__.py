"""`ops doctor`: looks at a deployment as an administrator would, from the settings to the alarms, and explains.

Each family of checks is a module; `plan` puts them in their order, `words` has everything that is said about them. What
WeCom and FastGPT think of the deployment is found out inside of it, by its own function (frontdesk.bootstrap.doctor).
"""
