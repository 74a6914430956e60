"""A terminal of tmux. Its server is of its own: nobody else's sessions are in it."""

import itertools
import os
import shlex
import subprocess

from lab import wait_for

numbers = itertools.count()


class Terminal:
    """Runs one command. Around it, the settings of the terminal are kept in two files."""

    def __init__(self, directory, columns, lines, command, **environment):
        # A server that has just ended may still hold its socket.
        self.socket = str(directory / f"tmux-{next(numbers)}")
        self.before, self.after = directory / "before", directory / "after"
        for file in (self.before, self.after):
            file.unlink(missing_ok=True)
        words = ["env", *(f"{name}={value}" for name, value in environment.items()), *command]
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(lines),
                  f"echo was here before; stty -a > {self.before}; {shlex.join(words)}; "
                  f"echo exit status $?; stty -a > {self.after}; exec cat")

    def tmux(self, *arguments):
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        done = subprocess.run(["tmux", "-S", self.socket, *arguments], env=environment,
                              text=True, capture_output=True)
        assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout

    def told(self, variable):
        """What tmux says of the terminal."""
        return self.tmux("display-message", "-p", f"#{{{variable}}}").strip()

    def screen(self):
        """The lines as they are shown, without blanks at their ends."""
        return self.tmux("capture-pane", "-p").rstrip("\n").split("\n")

    def wait_for(self, *texts, absent=()):
        """The screen that has all of the texts and none of the absent ones."""
        seen = []

        def met():
            seen[:] = self.screen()
            text = "\n".join(seen) + "\n" + "".join(seen)  # long lines are wrapped
            return all(part in text for part in texts) and not any(part in text for part in absent)

        try:
            wait_for(str(texts), met)
        except TimeoutError as error:
            raise AssertionError(f"{texts} without {absent} in:\n" + "\n".join(seen)) from error
        return seen

    def press(self, *keys):
        self.tmux("send-keys", *keys)

    def resize(self, columns, lines):
        self.tmux("resize-window", "-x", str(columns), "-y", str(lines))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], capture_output=True)
