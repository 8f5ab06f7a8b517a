"""llms.py's formats. Each is upgraded once to ours: nothing outside of this package knows them.

- version 2: provider types such as `OpenAiProvider`, chat templates, sign-in
- versions 3 and 4: `"version": 3`, adapters by npm package, lenient names of models
- providers.json and providers-extra.json: the catalogue of providers and models beside them

A document may mix them with our own members, and a document in our format is not changed. The names that llms.py has
for adapters are not here: they are aliases of the providers' specs.
"""
