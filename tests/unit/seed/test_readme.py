"""The example that the seed prints on its first page, as it is printed."""

from pathlib import Path

from tests.processes import run_python

EXAMPLE = Path(__file__).parents[2] / "data" / "seed" / "readme.py"
RESUMED = "calls=2, c=13, g=4\n" * 3
READS = "with open('serialized_frame.bin', 'rb') as f:\n"


def test_in_one_process(tmp_path):
    done = run_python(EXAMPLE, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("Copying frame\n" + RESUMED, "")


def test_across_two_scripts(tmp_path):
    writing, reads, reading = EXAMPLE.read_text().partition(READS)
    producer, consumer = tmp_path / "producer.py", tmp_path / "consumer.py"
    producer.write_text(writing)
    consumer.write_text("import sauerkraut as skt\n" + reads + reading)
    assert run_python(producer, cwd=tmp_path).stdout == "Copying frame\n"
    producer.unlink()
    done = run_python(consumer, cwd=tmp_path)
    assert (done.stdout, done.stderr) == (RESUMED, "")
