"""What `npm run takeover` runs in containers: the data of an earlier installation, looked at, copied and rewritten.

locations  which location of this server stands for one in the earlier bucket
rewrite    the locations in a database: planned, written, written back
database   the two databases: what the earlier one is like, the migration of the copy
disk       MinIO's data on disk: what it is like, the copy, the swap
served     what the stack's MinIO serves of it

Each command prints one JSON object, or JSON lines, and nothing else; progress goes to standard error.
"""
