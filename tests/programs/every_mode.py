"""Writes and reads a line per step through files opened in every mode; KILL_AT ends it midway."""

import contextlib
import csv
import logging
import os
import signal
from pathlib import Path

import sauerkraut as skt

STEPS = 300


def tick():
    """Count what was done since this start, and die when it is enough."""
    left = int(os.environ.get("KILL_AT", "0")) - 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    os.environ["KILL_AT"] = str(left)  # which is of each start, as globals are not


def simulate():
    with contextlib.ExitStack() as stack:

        def opened(name, mode, **options):
            return stack.enter_context(Path(name).open(mode, **options))

        text = opened("text.log", "w", encoding="utf-8")
        by_line = opened("lines.log", "w", buffering=1)
        more = opened("append.log", "a")
        made = opened("made.log", "x")
        raw = opened("raw.bin", "wb", buffering=0)
        buffered = opened("buffered.bin", "wb")
        both = opened("both.txt", "w+")
        update = opened("update.bin", "r+b")
        dos = opened("dos.txt", "w", newline="\r\n")
        table = csv.writer(opened("table.csv", "w", newline=""))
        source = opened("input.txt", "r", encoding="utf-8")
        numbers = opened("input.bin", "rb")
        handler = logging.FileHandler("logging.log", mode="w")
        stack.callback(handler.close)
        for step, line in enumerate(source):
            print(step, line.strip(), file=text)
            by_line.write(f"{step}\n")
            tick()
            more.write(f"{step} appended\n")
            made.write(f"{step} made\n")
            raw.write(step.to_bytes(2, "big"))
            tick()
            buffered.write(b"%d;" % step)
            update.seek(step)
            update.write(numbers.read(1))
            tick()
            dos.write(f"{step}\n")
            table.writerow([step, line.strip()])
            handler.handle(logging.makeLogRecord({"msg": f"step {step}"}))
            both.write(f"{step} ")
            if step % 50 == 49:
                both.seek(0)
                both.write(both.read().upper()[:0])
                both.seek(0, 2)
            tick()
            skt.current().poll(step, STEPS)
            if step % 5 == 4:
                skt.current().checkpoint()
            tick()
        both.seek(0)
        return len(both.read())


if __name__ == "__main__":
    if not Path("ckpt").exists():
        Path("update.bin").write_bytes(b"." * STEPS)
        Path("append.log").write_text("before\n")
    ckpt = skt.Checkpointer("ckpt", interval="1h", keep=2, quiet=True)
    length = ckpt.run(simulate)
    Path("result.txt").write_text(f"{length}\n")
