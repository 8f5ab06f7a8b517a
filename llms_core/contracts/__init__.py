"""OpenAI's JSON as msgspec structs: the bytes are the truth, the structs are views of them."""
