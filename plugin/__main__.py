"""Where `rapport` begins."""

import gc


def main() -> None:
    """Run the command line.

    What is imported stays to the end: to look for garbage among it takes an eighth of the time until a command begins.
    """
    gc.disable()
    from plugin.command_line import main as run

    gc.freeze()
    gc.enable()
    gc.set_threshold(20_000, 20, 20)
    run()


if __name__ == "__main__":
    main()
