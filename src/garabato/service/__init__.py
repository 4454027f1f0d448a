"""The HTTP service and its page: `create_app` makes it, `garabato serve` runs it.

Needs the extra `serve` (FastAPI and uvicorn).
"""
