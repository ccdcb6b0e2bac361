"""The command line: one file a noun, each verb parses, calls a room and renders what it returns.

``--help`` imports no room: every verb imports what it needs when it runs.
"""
