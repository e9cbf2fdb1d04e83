"""Which wire a syndicated text credits: a copy of its report counts for the wire's owner, whoever printed it. Pure."""

from __future__ import annotations

import re

__all__ = ["WIRES", "wire_of"]

# The name of the publisher (as in defaults/owners.csv) and how its copies say so. Places and dates stand before the
# mark ("LONDON, March 3 (Reuters) -"); press-release wires set theirs between slashes or in brackets.
WIRES: dict[str, str] = {
    "Reuters": r"\((?:Thomson )?Reuters[^)]{0,40}\)|By Reuters(?: Staff)?\b|©? ?Thomson Reuters 20\d\d",
    "Associated Press": r"\((?:AP|Associated Press)\)|By The Associated Press\b|\bAssociated Press\s*$",
    "Agence France-Presse": r"\(AFP\)|© ?(?:20\d\d )?AFP\b|\bAFP\s*$",
    "dpa": r"\((?:dpa|dpa-AFX|dpa/[\w-]+)\)|\bdpa-AFX\b",
    "Bloomberg": r"\(Bloomberg(?: Opinion| News)?\)|©? ?20\d\d Bloomberg L\.?P",
    "Dow Jones Newswires": r"\((?:Dow Jones(?: Newswires)?|DJN?)\)|DOW JONES NEWSWIRES|\bDow Jones Newswires\b",
    "PR Newswire": r"/PR ?Newswire(?:-[\w-]+)?/|\(PR ?Newswire\)|\bPRNewswire\b",
    "Business Wire": r"\(BUSINESS WIRE\)|\bBUSINESS WIRE\b|\bBusiness Wire\s*$",
    "GlobeNewswire": r"\(?GLOBE ?NEWSWIRE\)?\s*(?:--|[-–—])|\bGlobe ?Newswire\s*$",
    "Accesswire": r"/ ?ACCESSWIRE ?/|\(ACCESSWIRE\)",
    "Newsfile": r"\(Newsfile Corp\.?[^)]{0,30}\)",
    "Press Association": r"\(PA(?: Media)?\)|By PA (?:City )?Staff\b",
    "Kyodo News": r"\(Kyodo(?: News)?\)",
    "Xinhua": r"\((?:Xinhua)\)",
    "Yonhap": r"\(Yonhap(?: News(?: Agency)?)?\)",
    "ANI": r"\(ANI\)|\[ANI\]",
    "Press Trust of India": r"\(PTI\)|\bPTI\s*$",
    "ANSA": r"\(ANSA\)",
    "EFE": r"\(EFE\)",
    "Canadian Press": r"\(The Canadian Press\)|\(CP\) [-–—]",
    "Australian Associated Press": r"\(AAP\)|\(Australian Associated Press\)",
    "TASS": r"/TASS/|\(TASS\)",
    "Interfax": r"\(Interfax\)",
    "RTTNews": r"\(RTTNews\)",
    "MT Newswires": r"\(MT Newswires\)",
    "Zacks": r"\(Zacks(?: Investment Research)?\)",
}
# At the end of a title, after a dash or a bar, their plain names count too: "… - Reuters".
_TITLE_NAMES = {
    "Reuters": "Reuters", "AP": "Associated Press", "AP News": "Associated Press",
    "Associated Press": "Associated Press", "AFP": "Agence France-Presse", "dpa": "dpa", "dpa-AFX": "dpa",
    "Bloomberg": "Bloomberg", "Bloomberg News": "Bloomberg", "Dow Jones": "Dow Jones Newswires",
    "Dow Jones Newswires": "Dow Jones Newswires", "PR Newswire": "PR Newswire", "PRNewswire": "PR Newswire",
    "Business Wire": "Business Wire", "GlobeNewswire": "GlobeNewswire", "Globe Newswire": "GlobeNewswire",
    "Press Association": "Press Association", "Kyodo": "Kyodo News", "Kyodo News": "Kyodo News", "Xinhua": "Xinhua",
    "Yonhap": "Yonhap", "PTI": "Press Trust of India", "ANI": "ANI", "RTTNews": "RTTNews",
}  # fmt: skip
# The mark stands at the beginning or the end; in between, a name is only spoken of.
_HEAD, _TAIL = 160, 80
_MARK = re.compile("|".join(f"(?P<w{n}>{pattern})" for n, pattern in enumerate(WIRES.values())))
_NAMES = tuple(WIRES)
_END = re.compile(r"\s(?:[-–—|]|\()\s?(?P<name>[A-Z][\w.& -]{1,24}|dpa(?:-AFX)?)\)?\s*$")
_DJ = re.compile(r"^DJ\s+[A-Z]")


def wire_of(title: str, summary: str | None) -> str:
    """The wire that a title or summary credits as its source, '' for none."""
    if (end := _END.search(title)) and (name := _TITLE_NAMES.get(end["name"].strip())):
        return name
    if _DJ.match(title):
        return "Dow Jones Newswires"
    text = summary or ""
    for part in (text[:_HEAD], text[-_TAIL:] if len(text) > _HEAD else ""):
        if match := _MARK.search(part):
            return _NAMES[int(str(match.lastgroup)[1:])]
    return ""
