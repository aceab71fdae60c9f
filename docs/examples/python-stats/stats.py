"""Describes numbers: reads them from the argument, or from the file that POD names for a long input."""

import os
import statistics
import sys


def read_input() -> str:
    if len(sys.argv) > 1:
        return sys.argv[1]
    # An input beyond 128 KiB does not fit into an argument: POD leaves it in a file.
    if path := os.environ.get("POD_INPUT_FILE"):
        with open(path, encoding="utf-8") as file:
            return file.read()
    sys.exit("give numbers, separated by spaces or commas")


def main() -> None:
    try:
        numbers = [float(word) for word in read_input().replace(",", " ").split()]
    except ValueError as error:
        sys.exit(f"not a number: {error}")
    if not numbers:
        sys.exit("give at least one number")
    print(f"python  {sys.prefix}")
    print(f"count   {len(numbers)}")
    print(f"mean    {statistics.fmean(numbers):g}")
    print(f"median  {statistics.median(numbers):g}")
    print(f"stdev   {statistics.stdev(numbers) if len(numbers) > 1 else 0:g}")


if __name__ == "__main__":
    main()
