"""The operator's commands, one module a group: what is asked on the command line, and how the outcome is told.

The work itself is in `verifying`, `erasing`, `disclosing`, `resealing`, `ring` and `holdings`, which know
nothing of a command line.
"""
