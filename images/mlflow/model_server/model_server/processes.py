"""Child processes that are waited for, and what they said last."""

import asyncio
import contextlib
import signal


class Failed(Exception):
    """A child ended in an error, or took too long; the text says why."""


async def run(*command, env, seconds, cwd="/tmp"):
    """Runs a program to its end. Returns what it printed; raises Failed with its last lines."""
    process = await asyncio.create_subprocess_exec(
        *command, env=env, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(seconds):
            output, _ = await process.communicate()
    except TimeoutError:
        raise Failed(f"{command[0]} did not end within {seconds:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = output.decode(errors="replace")
    if process.returncode != 0:
        raise Failed(last_lines(text) or ending(process.returncode))
    return text


def last_lines(text, count=4, characters=600):
    """What a reader has to know of a program's output: its end, without empty lines."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(lines[-count:])[-characters:]


def ending(code):
    """How a process ended, in words."""
    if code == -signal.SIGKILL:
        return "it was killed, most likely because the memory limit was reached"
    if code < 0:
        return f"it was ended by {signal.Signals(-code).name}"
    return f"it ended with exit code {code}"


async def terminate(process, seconds):
    """Ends a process in order, or after that time by force."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(seconds):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
