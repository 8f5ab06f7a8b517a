"""The gateway's own HTTP/1.1 client: asyncio protocols and httptools' parser, without a task or timer per request."""
