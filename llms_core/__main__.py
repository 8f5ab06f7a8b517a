"""`python -m llms_core` is the same as `llms`."""

from llms_core.cli import main

if __name__ == "__main__":
    main(prog_name="llms")
