"""The statements of [Liu2022] as checks that return numbers, one a file."""
