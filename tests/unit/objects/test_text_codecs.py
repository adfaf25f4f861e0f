"""Text that is read or written piece by piece, in the middle of a character or of a line."""

import codecs
import io

import pytest

from sauerkraut.errors import CaptureError
from sauerkraut.objects import graph
from tests.unit.objects.crossing import round_trip as rt

TEXT = "a\u3042b\u3044\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "shift_jis", "iso2022_jp", "gb18030"])
def test_incremental_coders(encoding):
    data = (TEXT * 3).encode(encoding)
    for cut in range(len(data)):
        decoder = codecs.getincrementaldecoder(encoding)("replace")
        decoder.decode(data[:cut])
        back, original = rt(decoder)[0], decoder
        assert back.errors == "replace"
        assert back.decode(data[cut:], final=True) == original.decode(data[cut:], final=True)
    encoder = codecs.getincrementalencoder(encoding)()
    encoder.encode(TEXT)
    (back,) = rt(encoder)
    assert back.encode(TEXT, final=True) == encoder.encode(TEXT, final=True)


@pytest.mark.filterwarnings("ignore:codecs.open:DeprecationWarning")  # from 3.14 on
def test_a_file_of_codecs(tmp_path):
    path = tmp_path / "text"
    path.write_text(TEXT * 3, "utf-8")
    with codecs.open(path, encoding="utf-8") as lines:
        assert next(lines) == TEXT
        frozen = graph.freeze([lines, lines.stream])
        rest = list(lines)
    back, stream = graph.thaw(frozen)
    with back:
        assert back.stream is stream
        assert list(back) == rest == [TEXT, TEXT]


@pytest.mark.filterwarnings("ignore:codecs.open:DeprecationWarning")
def test_output_through_codecs_appears_once(tmp_path):
    path = tmp_path / "text"
    with codecs.open(path, "w", encoding="utf-16") as output:
        output.write("one")
        frozen = graph.freeze([output])
        output.write("lost")
    (back,) = graph.thaw(frozen)
    with back:
        back.write("two")
    assert path.read_text("utf-16") == "onetwo"


def test_a_stream_with_its_state_in_c_is_refused_by_name():
    reader = codecs.getreader("shift_jis")(io.BytesIO(b""))
    with pytest.raises(CaptureError, match=r"StreamReader cannot be captured; .* open\(\)"):
        graph.freeze([reader])
