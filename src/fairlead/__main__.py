"""`fairlead` and `python -m fairlead`: hand over to the command line."""

from fairlead.cli.main import main

if __name__ == "__main__":
    main()
