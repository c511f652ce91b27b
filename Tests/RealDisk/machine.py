"""Mounts, loop devices and processes that are gone when the test is, whatever ends it.

The test runs in a mount namespace of its own, its processes die with it, and a loop device
is detached while it is mounted, which frees it at its last use. So even a SIGKILL of
the test leaves nothing but its directory.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent.parent
PROGRAMS = Path(os.environ.get("PROTOSTORE_PROGRAMS", PACKAGE / ".build/release"))
RUN, BENCH = (PROGRAMS / name for name in ("run", "bench"))
# What automake's tests end with when they could not run.
SKIPPED = 77
NAMESPACE_VARIABLE = "PROTOSTORE_REAL_DISK_NAMESPACE"


class Broken(Exception):
    """Something did not do what it has to."""


# --- Whether this machine can do it


def what_is_missing(needs_fuse):
    """A reason why tests cannot run here, or None."""
    if os.geteuid() != 0:
        return "only root may mount"
    for program in ("cc", "e2fsck", "losetup", "mkfs.ext4", "mount", "setpriv", "umount", "unshare"):
        if not shutil.which(program):
            return f"there is no {program}: scripts/bootstrap soak installs it"
    if subprocess.run(["losetup", "--find"], capture_output=True).returncode != 0:
        return "no loop devices: losetup --find finds none"
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        return "mounting is not permitted: unshare --mount fails"
    try:
        if needs_fuse:
            os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        return f"no FUSE: /dev/fuse: {error.strerror}"
    return None


def enter_namespace(module):
    """Goes on in a mount namespace of its own, under the same process number."""
    if NAMESPACE_VARIABLE in os.environ:
        return
    os.environ[NAMESPACE_VARIABLE] = "1"
    sys.stdout.flush()
    os.execvp("unshare", [
        "unshare", "--mount", "--propagation", "private", sys.executable, "-m", module, *sys.argv[1:]])


def end_on_signals():
    """SIGTERM cleans up as SIGINT does."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


# --- Processes


def command(*words):
    result = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if result.returncode != 0:
        raise Broken(f"{' '.join(map(str, words))} failed:\n{result.stdout}{result.stderr}")
    return result.stdout


def start(*words, **options):
    """Starts a process that dies with this one. A Ctrl-C is not for it: the order of ends matters."""
    words = ["setpriv", "--pdeathsig", "KILL", "--", *(str(word) for word in words)]
    return subprocess.Popen(words, start_new_session=True, **options)


def end(process, patience=180):
    """Waits for a process that was told to end. Returns its exit code."""
    try:
        return process.wait(timeout=patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise Broken(f"{process.args[4:]} did not end within {patience} seconds") from None


def wait_until(is_true, what, patience=180):
    deadline = time.monotonic() + patience
    while not is_true():
        if time.monotonic() > deadline:
            raise Broken(f"not within {patience} seconds: {what}")
        time.sleep(0.01)


class Server:
    """A running server on a free port."""

    def __init__(self, store, index_directory, log, arguments=(), patience=180, environment={}):
        self._log = log
        words = [RUN, "--path", store, "--port", "0", "--index-path", index_directory, "--stats-interval", "0"]
        environment = {**os.environ, "SWIFT_BACKTRACE": "enable=no", **environment}
        with open(log, "wb") as file:
            self.process = start(*words, *arguments, stderr=file, env=environment)
        try:
            self.port = self._wait_for_port(time.monotonic() + patience)
        except BaseException:
            self.kill()
            raise

    def _wait_for_port(self, deadline):
        while time.monotonic() < deadline:
            found = re.search(r"listening on \S*:(\d+)\n", self.log())
            if found:
                return int(found[1])
            if self.process.poll() is not None:
                raise Broken(f"the server did not open the store, exit code {self.process.returncode}:\n{self.log()}")
            time.sleep(0.002)
        raise Broken(f"the server did not start in time:\n{self.log()}")

    def log(self):
        return Path(self._log).read_text(errors="replace")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """A clean stop, and insists on it."""
        self.process.terminate()
        code = end(self.process)
        if code != 0:
            raise Broken(f"the server ended with exit code {code}:\n{self.log()}")


def check(store):
    """What `run check` finds damaged, line by line."""
    result = subprocess.run(
        [RUN, "check", "--path", store], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    damages = {line for line in result.stdout.splitlines() if line.startswith("damage: ")}
    if result.returncode != (1 if damages else 0):
        raise Broken(f"run check ended with exit code {result.returncode}:\n{result.stdout}")
    return damages


# --- File systems


def make_file_system(path, byte_count):
    """An ext4 in a file, with its journal and with nothing left to initialise later."""
    with open(path, "wb") as file:
        file.truncate(byte_count)
    command("mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-J", "size=8",
            "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", path)


def patiently(*words):
    """A command that fails for as long as somebody still holds what it ends."""
    for _ in range(500):
        if subprocess.run([str(word) for word in words], capture_output=True).returncode == 0:
            return
        time.sleep(0.02)
    command(*words)


def _attach(file, device, direct):
    """Puts a loop device on a file: `device` if it is free. A store knows its device again."""
    direct_io = f"--direct-io={'on' if direct else 'off'}"
    if device and subprocess.run(["losetup", direct_io, device, file], capture_output=True).returncode == 0:
        return device
    return command("losetup", "--find", "--show", direct_io, file).strip()


@contextmanager
def mounted(file, directory, device=None, direct=False):
    """The file system of a file, mounted through a loop device, whose name is given."""
    with ExitStack() as stack:
        device = _attach(file, device, direct)
        stack.callback(_wait_until_free, device, file)
        try:
            command("mount", "-t", "ext4", device, directory)
            stack.callback(patiently, "umount", directory)
        finally:
            # In use it is freed by the unmounting.
            patiently("losetup", "--detach", device)
        yield device


def _wait_until_free(device, file):
    for _ in range(500):
        if str(file) not in command("losetup", "--list", "--noheadings", "--output", "BACK-FILE"):
            return
        time.sleep(0.01)
    raise Broken(f"{device} still holds {file}")


@contextmanager
def memory_file_system(directory, byte_count):
    """A tmpfs."""
    command("mount", "-t", "tmpfs", "-o", f"size={byte_count}", "tmpfs", directory)
    try:
        yield directory
    finally:
        patiently("umount", directory)


def empty(directory):
    for name in os.listdir(directory):
        os.remove(os.path.join(directory, name))
