"""Child processes that are waited for, and what they said last."""

import asyncio
import contextlib
import re
import signal

# What one of these says, nobody has to mend in the model.
MAY_PASS = re.compile(
    r"connection|connecting|timed? ?out|temporar|failed to fetch|request failed|dns error|no space left"
    r"|(status|error|code)\D{0,12}(429|5\d\d)\b",
    re.IGNORECASE,
)


class Failed(Exception):
    """It does not work; the text says why."""


class Passing(Failed):
    """It does not work now, because of what may pass by itself."""


async def run(*command, env, seconds, cwd="/tmp"):
    """Runs a program to its end. Returns what it printed; raises Failed or Passing with its last lines."""
    process = await asyncio.create_subprocess_exec(
        *command, env=env, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    # Where memory runs out, the kernel takes what is being made ready and not what serves.
    weigh(process, 1000)
    try:
        async with asyncio.timeout(seconds):
            output, _ = await process.communicate()
    except TimeoutError:
        raise Passing(f"{command[0]} did not end within {seconds:.0f} s") from None
    finally:
        await terminate(process, 0)
    text = output.decode(errors="replace")
    if process.returncode != 0:
        kind = Passing if MAY_PASS.search(text) else Failed
        raise kind(last_lines(text) or ending(process.returncode))
    return text


def weigh(process, score):
    with contextlib.suppress(OSError), open(f"/proc/{process.pid}/oom_score_adj", "w") as file:
        file.write(str(score))


def last_lines(text, count=8, characters=1000):
    """What a reader has to know of a program's output: its end; of a trace what comes after the frames."""
    lines = [line for line in text.splitlines() if line.strip()]
    traces = [index for index, line in enumerate(lines) if line.startswith("Traceback (most")]
    if traces:
        lines = [line for line in lines[traces[-1] + 1 :] if not line[0].isspace()]
    return " ".join(" ".join(lines[-count:]).split())[-characters:]


def ending(code):
    """How a process ended, in words."""
    if code == -signal.SIGKILL:
        return "it was killed, most likely because the memory limit was reached"
    if code < 0:
        return f"it was ended by {signal.Signals(-code).name}"
    return f"it ended with exit code {code}"


async def terminate(process, seconds):
    """Ends a process in order, or after that time by force."""
    try:
        if seconds and process.returncode is None:
            process.terminate()
            async with asyncio.timeout(seconds):
                await process.wait()
    except TimeoutError:
        pass
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
