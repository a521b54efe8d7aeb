"""The text in bytes of an unknown encoding: UTF-8, UTF-16 with its mark, or a code page where exactly one fits.

The detectors charset-normalizer and chardet misread tables of a few short words in half of the code pages, and a
misread class name is worse than a refusal. Hence a code page fits only where most letters that it gives are frequent
ones of its languages, in words of one script without a capital inside. Where several fit, and give different words, the
names of the files decide, else nothing does.
"""

from __future__ import annotations

import codecs
import contextlib
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass

MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
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
KANA = frozenset(map(chr, range(0x3041, 0x30FF)))
LATIN = (  # their letters outside of ASCII
    "àâæçéèêëîïôœùûüÿ", "äöüßé", "áéíóúñü", "ãõáéíóúâêôçàü", "àèéìòù", "åäöæøé", "éëïöüè", "ąćęłńóśźż",
    "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîşţșț", "čćđšž", "çğıöşüâ",
)  # fmt: skip
#: The frequent letters of each code page's languages; one language has most letters of a text.
CODE_PAGES: dict[str, Collection[Collection[str]]] = {
    "cp949": [HANGUL],
    "shift_jis": [KANA | HAN],
    "euc_jp": [KANA | HAN],
    "gb18030": [HAN],
    "big5": [HAN],
    "cp1252": LATIN,
    "cp1250": LATIN,
    "cp1254": LATIN,
    # Each gives plausible words of another: the names of the files alone decide for them.
    **{page: [""] for page in ("cp1251", "cp1253", "cp1255", "cp1256", "cp874")},
}


@dataclass(frozen=True)
class Text:
    """The text of a file, and how it was decoded."""

    text: str
    encoding: str = ""  # the name of the code page for people, "" for Unicode
    example: str = ""  # a word that is right only if the code page is
    damaged: bool = False  # whether some lines are not UTF-8, in which LOST stands for the bytes


def decode_text(content: bytes, names: Collection[str] = (), *, code_pages: bool = True) -> Text:
    """Decode a file, which should have one of the names if it has letters outside of ASCII.

    ValueError, which says to save the file as UTF-8, where no encoding fits, or several do.
    """
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
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


def _of_code_page(content: bytes, names: Collection[str]) -> Text:
    sample = content[:SAMPLE].rpartition(b"\n")[0] if len(content) > SAMPLE else content
    texts: dict[str, str] = {}  # to their first code page
    for encoding in CODE_PAGES:
        with contextlib.suppress(UnicodeDecodeError):
            texts.setdefault(sample.decode(encoding), encoding)
    wanted = {unicodedata.normalize("NFC", name) for name in names if not name.isascii()}
    fitting = {text: encoding for text, encoding in texts.items() if any(name in text for name in wanted)}
    fitting = fitting or {text: encoding for text, encoding in texts.items() if _fits(text, CODE_PAGES[encoding])}
    if len(fitting) != 1:
        which = f"and may be {' or '.join(fitting.values())}" if fitting else "and no other encoding is certain"
        raise ValueError(f"it is not UTF-8, {which}; save it as UTF-8")
    ((text, encoding),) = fitting.items()
    return Text(_strictly(content, encoding), encoding, next(iter(_foreign_words(text)), ""))


def _foreign_words(text: str) -> list[str]:
    return list(dict.fromkeys(word for word in re.findall(r"[^\W\d_]+", text) if not word.isascii()))


def _fits(text: str, languages: Collection[Collection[str]]) -> bool:
    """Whether Latin words have accents of one language, and words of other scripts mostly frequent letters."""
    words = _foreign_words(text)
    letters = {letter.lower() for word in words for letter in word if not letter.isascii()}
    found = max(len(letters.intersection(language)) for language in languages)
    if languages is not LATIN:
        return 2 * found > len(letters) and not any(re.search("[a-z]", word) for word in words)
    accents = all(re.search("[A-Za-z]", word) and word in (word.lower(), word.upper(), word.title()) for word in words)
    marks = all(mark.isalnum() or mark in SYMBOLS for mark in set(text) if not mark.isascii())
    return 0 < found == len(letters) and accents and marks
