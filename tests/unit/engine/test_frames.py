"""Frames against the two examples of the specification, and bytes that are not frames."""

import zlib

from pipex_core.engine.frames import encode, frame, scan

note = {"t": "note", "n": 1, "epoch": 1, "text": "é"}
opening = {"t": "open", "n": 0, "epoch": 1, "run_id": "r1", "schema": "pipex.journal/1"}
# The published examples of the format.
note_frame = '42:addd9bfa:[{"epoch":1,"n":1,"t":"note","text":"é"}]\n'.encode()
open_frame = (
    b'71:e38db6f7:[{"epoch":1,"n":0,"run_id":"r1","schema":"pipex.journal/1","t":"open"}]\n'
)


def test_frames_are_those_of_the_specification() -> None:
    assert frame([encode(note)]) == note_frame
    assert frame([encode(opening)]) == open_frame


def test_a_frame_holds_the_records_that_were_flushed_together() -> None:
    result = scan(frame([encode(opening), encode(note)]) + note_frame)
    assert result.frames == [[opening, note], [note]]
    assert result.is_whole
    assert result.starts == [0, len(frame([encode(opening), encode(note)]))]


def test_nothing_is_whole() -> None:
    result = scan(b"")
    assert (result.frames, result.good_bytes, result.is_whole) == ([], 0, True)


def test_bad_bytes_at_the_end_are_told_from_bad_bytes_before_a_frame() -> None:
    torn = scan(open_frame + note_frame[:-5])
    assert (torn.good_bytes, torn.is_whole, torn.goes_on) == (len(open_frame), False, False)
    damaged = scan(open_frame.replace(b"r1", b"r2") + note_frame)
    assert (damaged.good_bytes, damaged.is_whole, damaged.goes_on) == (0, False, True)


def test_a_good_frame_is_found_also_when_the_line_end_before_it_is_gone() -> None:
    damaged = scan(open_frame + open_frame[:-1] + b"\x0b" + note_frame)
    assert (damaged.good_bytes, damaged.goes_on) == (len(open_frame), True)


def test_a_frame_whose_payload_is_no_list_of_records_is_bad() -> None:
    for payload in (b"{}", b"[1]", b"[{]", b"[\xff]", b"[" * 5000):
        assert scan(_framed(payload)).frames == []


def test_a_frame_inside_the_text_of_a_record_is_no_frame() -> None:
    inner = {"t": "note", "text": note_frame.decode()}
    assert not scan(frame([encode(inner)])[:-1]).goes_on


def _framed(payload: bytes) -> bytes:
    return b"%d:%08x:%s\n" % (len(payload), zlib.crc32(payload), payload)
