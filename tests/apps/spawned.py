"""What a spawned process imports."""


def double(number):
    return 2 * number
