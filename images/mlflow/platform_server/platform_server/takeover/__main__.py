"""One command of the takeover. Secrets come by standard input or as files, never as arguments."""

import argparse
import json
import sys

from platform_server.takeover import disk


def report(args):
    from platform_server.takeover import database

    return database.report(json.load(sys.stdin), earlier_of(args))


def earlier_of(args):
    from platform_server.takeover.locations import Earlier

    return Earlier(args.bucket, args.prefix)


def migrate(_args):
    from platform_server.takeover import database

    return database.migrate()


def rewrite(args):
    """JSON lines, one for each change, before they are committed."""
    from platform_server.takeover import database, rewrite

    with database.connection_to(database.stack_url()) as connection:
        for change in rewrite.apply(connection, earlier_of(args)):
            print(json.dumps(change._asdict()))
        sys.stdout.flush()


def revert(_args):
    """Reads what `rewrite` printed."""
    from platform_server.takeover import database, rewrite

    changes = [rewrite.Change(**json.loads(line)) for line in sys.stdin]
    with database.connection_to(database.stack_url()) as connection:
        return {"changes": len(changes), "reverted": rewrite.revert(connection, changes)}


def served(args):
    from platform_server.takeover import served

    return served.served(args.bucket)


COMMANDS = {
    "report": report,
    "migrate": migrate,
    "rewrite": rewrite,
    "revert": revert,
    "served": served,
    "inspect": lambda args: disk.inspect(args.bucket),
    "own": lambda args: disk.own(args.bucket, args.but),
    "copy": lambda args: disk.copy(args.bucket),
    "swap": lambda args: disk.swap(args.bucket),
    "unswap": lambda args: disk.unswap(args.bucket),
    "discard": lambda _args: disk.discard(),
}


def one_line(kind, error, _traceback):
    # Of SQLAlchemy's the first line is the database's; the others hold the values of a statement.
    print(f"{kind.__name__}: {str(error).strip().partition('\n')[0]}", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(prog="takeover")
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--bucket", default="")
    parser.add_argument("--prefix", default="")
    parser.add_argument("--but", default="")
    args = parser.parse_args()
    sys.excepthook = one_line
    if (result := COMMANDS[args.command](args)) is not None:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
