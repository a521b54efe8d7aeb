"""Text of any encoding is read right or refused, never wrong."""

from __future__ import annotations

import pytest

from armoire.images.text_encoding import decode_text

READ = {
    "utf-8": "고양이 Bär",
    "utf-8-sig": "고양이 Bär",
    "utf-16": "고양이 Bär",
    "cp949": "고양이 강아지",
    "shift_jis": "ねこ 犬",
    "euc_jp": "ねこ 犬",
    "gb18030": "正常 红色",
    "big5": "正常 異常",
    "cp1252": "Bär Löwe",
    "cp1250": "żółty kot",
}


def as_table(words: str) -> str:
    kinds = words.split()
    return "file_name,label\n" + "".join(f"{i}.png,{kinds[i % len(kinds)]}\n" for i in range(9))


@pytest.mark.parametrize("encoding", READ)
def test_what_is_read(encoding):
    text = as_table(READ[encoding])
    found = decode_text(text.encode(encoding))
    assert found.text == text
    assert bool(found.encoding) == (not encoding.startswith("utf"))


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("cp1252", "légère niño"),
        ("cp850", "légère niño"),
        ("cp1255", "חתול כלב"),
        ("cp874", "แมว หมา"),
        ("cp1253", "γάτα"),
        ("cp1251", "кошка Собака"),
    ],
)
def test_what_is_uncertain_is_refused(encoding, words):
    text = as_table(words)
    try:
        assert decode_text(text.encode(encoding)).text == text
    except ValueError as error:
        assert "save it as UTF-8" in str(error)


def test_the_names_of_files_decide():
    with pytest.raises(ValueError, match="may be cp1252 or cp1250"):
        decode_text(as_table("légère").encode("cp1252"))
    assert decode_text(as_table("légère").encode("cp1252"), ["légère"]).encoding == "cp1252"
    assert decode_text(as_table("кошка").encode("cp1251"), ["кошка"]).encoding == "cp1251"


def test_damaged_unicode_is_no_code_page():
    for content in ("강아지 고양이".encode() + b"\xff", "고양이".encode("utf-16")[:-1], b"\xff\xfe not text"):
        with pytest.raises(ValueError, match="save it as UTF-8"):
            decode_text(content)
