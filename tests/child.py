"""What a program that a test starts does not inherit. For preexec_fn."""
import signal


def takes_signals():
    """A shell that runs tests in the background has them ignore these, and a program inherits that."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
