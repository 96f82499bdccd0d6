"""A program that serves, as the scripts of this folder start one."""
import subprocess
import tempfile
import threading

# How long anything may take, in seconds.
PATIENCE = 60


class Service:
    """It says `listening PORT`, and then what happens, line by line.

    This project's end with their input, once their sessions are over; an `endless` one knows no end, and its input is empty.
    """

    def __init__(self, command, endless):
        self.endless = endless
        # Where its complaints go: shown if a session did not go as it should.
        self.complaints = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL if endless else subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.complaints, text=True
        )
        self.said = []
        self.reader = threading.Thread(target=self._read)
        first = self.process.stdout.readline().split()
        self.reader.start()
        if first[:1] != ["listening"]:
            raise SystemExit(f"{command[0]} does not listen: {self.stop()[1]}")
        self.port = int(first[1])

    def _read(self):
        for line in self.process.stdout:
            self.said.append(line.rstrip("\n"))

    def stop(self):
        """What it said, and its complaints."""
        if self.endless:
            self.process.kill()
        else:
            self.process.stdin.close()
        self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        self.process.stdout.close()
        self.complaints.seek(0)
        return self.said, self.complaints.read().decode()
