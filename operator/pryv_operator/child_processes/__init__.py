"""Child processes with limits, for what is computed from the input of users.

A thread cannot be stopped; a process can. It keeps a platform's templates from stopping those of
others, by time or by memory. It is no protection from code: what runs in it is the operator's own.
"""
