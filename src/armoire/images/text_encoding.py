"""The text in bytes of an unknown encoding: UTF-8, UTF-16, UTF-32, or a code page where exactly one fits.

The detectors charset-normalizer and chardet misread tables of a few short words in half of the code pages, and a
misread class name is worse than a refusal. Hence a code page counts only where the words it gives are plausible: one
script per word, letters in common use, no capital inside a word. Where two code pages give different plausible words,
the names of the files decide, else nothing does.
"""

from __future__ import annotations

import codecs
import contextlib
import re
import unicodedata
from collections.abc import Callable, Collection
from dataclasses import dataclass

UNICODE = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
LOST = "\ufffd"
SAMPLE = 1 << 20  # bytes whose words are examined
SYMBOLS = "–—‘’“”„«»°€£§·…™®© ×½"
# Frequent syllables of Korean, and characters of Chinese and Japanese, with those of animals, colours, fruit and the
# like; a wrong code page gives one of them one time in ten.
HANGUL = frozenset(
    "이다는가의에기사지고하로자리도어시한인나대을아그를은해수일서정제과부전스장상보원모주구동비성들만마무소라여공조안신"
    "오선중생면할것했년발용관화물문있음국실학식체명경연거두분우유간내적방개금미치트드위산러르님말속행회입결료터토표배"
    "게야히진통재세역력호매강차합달술레영건양교단불량타점파계름때려번외복남북된람태백손울열월업노색집직당군담품민길꽃"
    "새코카피버포머니네프크바키추초누루며처청천충출최측친편필항향형환황후흑흰빨검녹란얼굴눈귀목몸빛밤낮봄겨돼돌떡막맛"
    "맥밀별병빵살쌀섬숲쥐찬참책콩큰탑털톱팔팬펜풀햄균흠함없좋쁨녀장튤립"
)
HAN = frozenset(
    "的一是不了在人有我他这這中大来來上国國个個到说說们們为為子和你地出道也时時年得就那要下以生会會自着去之过過家学學"
    "对對可里裡后後小么心多天而能好都然没日于起还還发發成事只作当當想看文无無开開手十用主行方又如前所本见見经經头頭"
    "面公同三老从動动两長长知民样样现現分将外但身与高意进進把法此实實回二理美点點月明其种種声全工己话者向情部正名定"
    "女男问力机機给等几很业業最间間新打便位因重被走电電四第门門相次东東政海口使教西再平真世气氣信北少关並并内加化代"
    "軍军产產入先山五太水万萬市红紅绿綠緑蓝藍青赤白黑黒黄黃色花樹树木草叶葉车車鸟鳥鱼魚狗犬猫貓马馬牛羊鸡豬猪果良品"
    "坏壞常异異缺陷台京南雄阪蘋苹香蕉梨桃米肉茶石金火土雨雪春夏秋冬左右表裏病健康空川田村町店犯"
)
LANGUAGES = (  # their letters outside of ASCII
    "àâæçéèêëîïôœùûüÿ", "äöüßé", "áéíóúñü", "ãõáéíóúâêôçàü", "àèéìòù", "åäöæøé", "éëïöüè", "ąćęłńóśźż",
    "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîşţșț", "čćđšž", "çğıöşüâ",
)  # fmt: skip


@dataclass(frozen=True)
class Text:
    """Decoded text.

    Attributes:
        encoding: the name of the code page for people, "" for Unicode.
        example: a word that is right only if the code page is.
        damaged: whether some lines are not UTF-8, in which LOST stands for the bytes.
    """

    text: str
    encoding: str = ""
    example: str = ""
    damaged: bool = False


def decode_text(content: bytes, names: Collection[str] = (), *, code_pages: bool = True) -> Text:
    """Decode a file.

    Args:
        content: the bytes.
        names: words that the text should have if it has any outside of ASCII, such as names of files.
        code_pages: whether other encodings than Unicode's are tried.

    Raises:
        ValueError: no encoding fits, or several do; the message says to save the file as UTF-8.
    """
    for mark, encoding in UNICODE:
        if content.startswith(mark):
            return Text(_strictly(content, encoding))
    if 10 * content.count(b"\0", 0, SAMPLE) > min(len(content), SAMPLE) and (
        encoding := _without_mark(content[:SAMPLE])
    ):
        return Text(_strictly(content, encoding))
    try:
        return Text(content.decode())
    except UnicodeDecodeError as error:
        if not code_pages:
            raise ValueError(f"it is not UTF-8: {error.reason} at byte {error.start}; save it as UTF-8") from None
    damaged = content.decode(errors="replace")
    lines = damaged.splitlines()
    few = LOST not in lines[0] and 10 * sum(LOST in line for line in lines) <= len(lines)
    if few and not damaged.replace(LOST, "").isascii():  # UTF-8 but for a few bytes, which no code page would repair
        return Text(damaged, damaged=True)
    try:
        return _of_code_page(content, names)
    except ValueError:
        if few:
            return Text(damaged, damaged=True)
        raise


def _strictly(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(f"it is no valid {encoding.upper()}, {error.reason}; save it as UTF-8") from None


def _without_mark(sample: bytes) -> str:
    """UTF-16 of either order, by which half of the bytes is zero; a table has commas and digits."""
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    return "" if even == odd else "utf-16-be" if even > odd else "utf-16-le"


def _of_code_page(content: bytes, names: Collection[str]) -> Text:
    sample = content[:SAMPLE].rpartition(b"\n")[0] if len(content) > SAMPLE else content
    texts: dict[str, str] = {}  # to their first code page
    for encoding in CODE_PAGES:
        with contextlib.suppress(UnicodeDecodeError):
            texts.setdefault(sample.decode(encoding), encoding)
    wanted = {unicodedata.normalize("NFC", name) for name in names if not name.isascii()}
    scores = {
        text: 3 if any(name in text for name in wanted) else CODE_PAGES[encoding](_Words(text))
        for text, encoding in texts.items()
    }
    best = max(1, *scores.values()) if scores else 1
    fitting = {text: encoding for text, encoding in texts.items() if scores[text] == best}
    if len(fitting) != 1:
        which = f"and may be {' or '.join(fitting.values())}" if fitting else "and no other encoding is certain"
        raise ValueError(f"it is not UTF-8, {which}; save it as UTF-8")
    ((text, encoding),) = fitting.items()
    return Text(_strictly(content, encoding), encoding, next(iter(_Words(text).foreign), ""))


class _Words:
    """The words of a text that have letters outside of ASCII, and these letters."""

    def __init__(self, text: str) -> None:
        self.foreign = list(dict.fromkeys(w for w in re.findall(r"[^\W\d_]+", text) if not w.isascii()))
        self.letters = {letter for word in self.foreign for letter in word if not letter.isascii()}
        self.symbols = any(not s.isalnum() and s not in SYMBOLS for s in set(text) if not s.isascii())

    def are_cased(self) -> bool:
        """Whether no word has a capital inside."""
        return all(word in (word.lower(), word.upper(), word.title()) for word in self.foreign)

    def are_in(self, script: str) -> bool:
        """Whether all letters have a word in their Unicode name."""
        return all(script in unicodedata.name(letter, "") for letter in self.letters)

    def have_bytes(self, encoding: str, leads: range) -> bool:
        """Whether all letters have two bytes in a character set, the first in a range, and stand next to no a to z."""
        try:
            codes = [letter.encode(encoding) for letter in self.letters]
        except UnicodeEncodeError:
            return False
        together = not any(re.search("[a-z]", word) for word in self.foreign)
        return bool(codes) and together and all(len(code) == 2 and code[0] in leads for code in codes)

    def common(self, letters: Collection[str]) -> int:
        """2 where most letters are among the frequent ones, else 1."""
        found = len(self.letters.intersection(letters))
        return 2 if found >= 2 and 5 * found >= 3 * len(self.letters) else 1


def _korean(words: _Words) -> int:
    fits = words.have_bytes("euc_kr", range(0xB0, 0xC9))
    return words.common(HANGUL) if fits and len(words.letters & HANGUL) else 0


def _japanese(words: _Words) -> int:
    if not words.have_bytes("euc_jp", range(0xA1, 0xD0)):
        return 0
    return words.common(HAN | {letter for letter in words.letters if "\u3041" <= letter <= "\u30fe"})


def _simplified(words: _Words) -> int:
    return words.common(HAN) if words.have_bytes("gb2312", range(0xB0, 0xD8)) else 0


def _traditional(words: _Words) -> int:
    return words.common(HAN) if words.have_bytes("big5", range(0xA4, 0xC7)) else 0


def _latin(words: _Words) -> int:
    """Accents of one language, in words that have other letters too."""
    letters = {letter.lower() for letter in words.letters}
    fits = words.are_cased() and not words.symbols and any(letters <= set(language) for language in LANGUAGES)
    return int(bool(letters) and fits and not any(re.search(r"[^\x00-\x7f]{4}", word) for word in words.foreign))


def _in_script(script: str, final: str = "") -> Callable[[_Words], int]:
    """Words of one script alone; `final` are letters that only end words."""

    def score(words: _Words) -> int:
        inside = {letter for word in words.foreign for letter in word[:-1]}
        alone = bool(words.letters) and words.are_in(script) and not re.search("[A-Za-z]", "".join(words.foreign))
        return int(alone and words.are_cased() and not inside & set(final))

    return score


def _cyrillic(words: _Words) -> int:
    text = "".join(words.foreign).lower()
    fits = (
        words.are_in("CYRILLIC") and words.are_cased() and not words.symbols and text and not re.search("[a-z]", text)
    )
    return 2 if fits and 2 * sum(letter in "оеаинтсрвл" for letter in text) >= len(text) else 0


#: How well a text fits: 0 not at all, 1 possibly, 2 well.
CODE_PAGES: dict[str, Callable[[_Words], int]] = {
    "cp949": _korean,
    "shift_jis": _japanese,
    "euc_jp": _japanese,
    "gb18030": _simplified,
    "big5": _traditional,
    "cp1252": _latin,
    "cp1250": _latin,
    "cp1254": _latin,
    "cp1251": _cyrillic,
    "koi8_r": lambda words: min(1, _cyrillic(words)),
    "cp866": lambda words: min(1, _cyrillic(words)),
    "cp1253": _in_script("GREEK"),
    "cp1255": _in_script("HEBREW", "ךםןףץ"),
    "cp1256": _in_script("ARABIC"),
    "cp874": _in_script("THAI"),
}
