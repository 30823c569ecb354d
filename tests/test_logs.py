"""What is logged, and a disk that takes no more of it."""

import logging

from pipeline.logs import LogFile, LogFormatter


def entry(text, *arguments):
    return logging.LogRecord("w2v", logging.INFO, "", 0, text, arguments, None)


def test_what_an_entry_quotes_steers_no_terminal():
    formatted = LogFormatter("%(message)s").format(
        entry("run %s\n\tgoes on", "\x1b[2J\u202e\r")
    )

    assert formatted == "run \\u001b[2J\\u202e\\u000d\n\tgoes on"


def test_entries_are_dated_in_utc():
    record = entry("done")
    record.created = 0.0

    assert LogFormatter("%(asctime)s").format(record) == "1970-01-01T00:00:00Z"


def test_a_full_disk_is_warned_of_once_and_ends_nothing(capsys, caplog, tmp_path):
    handler = LogFile(tmp_path / "run.log")
    handler.stream.close()
    handler.stream = open("/dev/full", "w")  # noqa: SIM115, PTH123  handler closes it
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        for number in range(3):
            root.warning("entry %d", number)
    finally:
        root.removeHandler(handler)
        handler.close()

    assert "Traceback" not in capsys.readouterr().err
    said = [text for text in caplog.messages if "cannot be written" in text]
    assert len(said) == 1
    assert "No space left on device. The run goes on; its log has gaps" in said[0]
    assert caplog.messages[-1] == "entry 2"
