"""Titles that are regulatory filings: a form and a filer, not an opinion about anybody."""

import re

__all__ = ["is_filing"]

# A form's name that nothing else bears. Source: the form types of SEC EDGAR.
_LONG = (
    r"8-K(?:12[BG]\d?)?|10-[KQ]T?|20-F|40-F|6-K|11-K|18-K|10-D|ABS-EE|S-(?:1|3|4|8|11)(?:MEF|ASR)?"
    r"|F-(?:1|3|4|6|10)(?:EF|POS)?|424B\d|497[A-Z]*|485[AB]POS|N-(?:1A|2|14|CSRS?|CEN|PX|30[BD])|NPORT-P|N-PORT"
    r"|N-MFP\d?|13F-(?:HR|NT)|SD|SC(?:HEDULE)? ?1[34](?:D|G|E3|F1|D9)|SC TO-[ICT]|DEF[AMR]? ?14[AC]|DEF[AM]14A"
    r"|DFAN14A|PRE[MR]? ?14[AC]|PX14A6G|FWP|CORRESP|UPLOAD|15-(?:12[BG]|15D)|25(?:-NSE)?|NT 10-[KQ]"
    r"|POS ?(?:AM|EX|ASR)|8-A12[BG]|1-[AKU]|CERT(?:NYS|NAS)?"
)
# These are also ordinary numbers and letters: only with the filer's number or its part in the filing beside them.
_SHORT = r"[345]|144|D|C|RW|ARS|EFFECT"
_ROLE = r"\((?:Reporting|Issuer|Filer|Filed by|Subject(?: Company)?|Depositor|Serial Company|Agent)\)"
# With number and part, whatever form it is (425, 1-A-W, SUPPL …).
_WHOLE = re.compile(rf"\S[\w/ .-]{{0,20}} [-–—] .+ \(\d{{10}}\) {_ROLE}")
_EDGAR = re.compile(
    rf"\s*(?:\[?(?:Form\s+)?(?:{_LONG})(?:/A)?(?:\s*[-–—:]\s+|\]\s+(?:[-–—]\s+)?)[^?!]{{2,100}}"
    rf"|(?:Form\s+)?(?:{_LONG}|{_SHORT})(?:/A)?\s+[-–—]\s+.{{2,120}}(?:\(\d{{7,10}}\)|{_ROLE}).*)",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"\b(?:says|said|shows?|reveals?|warns?|cuts?|raises?|misses|beats|falls?|rises?|jumps?|plunges?|delays?|delayed"
    r"|resigns?|posts?|reports?|swings|flags|discloses?|why|how|what|after|amid|as)\b",
    re.IGNORECASE,
)
# The headings under which British issuers publish what the rules make them publish.
_RNS = re.compile(
    r"(?:[\w&'’. ,()-]{2,60}(?::|\s[-–—])\s+)?"
    r"(?:Form 8(?:\.[1-5])?(?: \([A-Z/ ]+\))?(?:\s+[-–—]\s+.{2,60})?|Holding\(s\) in Company|Total Voting Rights"
    r"|Directors?/PDMR (?:Shareholding|Dealings?)|Transactions? in Own Shares|Net Asset Value\(s\)"
    r"|Block Listing (?:Six Monthly )?(?:Return|Application)|Notification of Major Holdings?|TR-1:.{0,80}"
    r"|Publication of (?:a )?(?:Base |Supplementary )?Prospectus|Price Monitoring Extension)",
    re.IGNORECASE,
)


def is_filing(text: str) -> bool:
    """Tell whether a cleaned title is that of a filing, by its form ("8-K - Name", "4 - Name (Reporting)")."""
    if _WHOLE.fullmatch(text):
        return True
    if _EDGAR.fullmatch(text):
        # "10-K: Velmont warns of going-concern doubt" is what somebody wrote about a filing.
        return bool(re.search(rf"\(\d{{7,10}}\)|{_ROLE}", text)) or not _VERB.search(text)
    return _RNS.fullmatch(text.strip()) is not None
