"""How a step ends that does not end well."""


class UserError(Exception):
    """Something was given that cannot be used; exit code 2."""


class Refused(Exception):
    """The step did its work, and its verdict is no; exit code 3."""
