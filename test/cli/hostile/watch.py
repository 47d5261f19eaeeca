"""Runs commands (JSON lists of words on stdin), two at a time, and prints per command its exit code, output, seconds and peak memory in MB."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

LIMIT = 20


def watched(words):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begun = time.monotonic()
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        timer = threading.Timer(LIMIT, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - begun
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read(1 << 25).decode("utf-8", "replace"))
        return {"code": process.returncode, "out": texts[0], "err": texts[1], "seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime, "megabytes": usage.ru_maxrss / 1024}


with ThreadPoolExecutor(2) as pool:
    print(json.dumps(list(pool.map(watched, json.load(sys.stdin)))))
