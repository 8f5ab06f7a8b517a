"""`python -m llms_core` is `llms`."""

from llms_core.cli import main

if __name__ == "__main__":
    main(prog_name="llms")
