"""The gateway's own HTTP/1.1 server: an asyncio protocol and httptools' parser, run by uvicorn."""
