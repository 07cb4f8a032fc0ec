"""The vocabulary of museum dates, folded (no case, no accents), as regular expressions for ``context.date_tokens``.

Words stand apart by white space and ``_`` is a space inside one. Languages: English, German, French,
Spanish, Catalan,
Italian, Dutch, Portuguese, and the Latin that cataloguers use.
"""

from __future__ import annotations

import re

UNITS = {
    2: "halves half halfte h moitie mitad meitat meta helft metade",
    3: "thirds? drittel tiers tercio terc terzo derde terco",
    4: "quarters? quart viertel cuarto quarto kwart",
}
"""Into how many parts a period is cut."""

POSITIONS = {
    1: """1(?:st|ere?|re|e|a|o|ste|ra)? first erste[nrs]? premiere? primera? primer[ao] prim[ao]
          primeir[ao] eerste""",
    2: """2(?:nd|nde|eme|e|a|o|de|da|on|n)? second zweite[nrs]? seconde deuxieme segund[ao] segona?
          second[ao] tweede""",
    3: """3(?:rd|eme|e|o|de|er|r)? third dritte[nrs]? troisieme tercera? tercero terzo derde terceir[ao]""",
    4: """4(?:th|eme|e|a|o|de|t)? fourth vierte[nrs]? quatrieme cuarto quarto vierde""",
    0: """last letzte[nrs]? derniere? ultim[ao] darrera? laatste""",
}
"""Which of the parts; 0 is the last, of however many."""

STAGES = {
    1: """early beginning start anfang beginn fruhe[nsr]? debuts? principios? comienzos inicios?
          principis? inicis inizio
          inizi begin vroege?""",
    2: """mid middle mitte milieu mediados mitjans? meta midden meados mitad""",
    3: """late later end ende spate[nsr]? fin fins(?=_d) finals? finales fines fi fine eind einde laat finais fim""",
}
"""Thirds of a period, for those who do not say how they cut it."""

NAMED_CENTURIES = {
    "duecento": 13,
    "trecento": 14,
    "quattrocento": 15,
    "cinquecento": 16,
    "seicento": 17,
    "settecento": 18,
    "ottocento": 19,
    "novecento": 20,
}

_ENGLISH = """first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth
              fifteenth sixteenth seventeenth eighteenth nineteenth twentieth twenty-first"""
ORDINALS = {word: number for number, word in enumerate(_ENGLISH.split(), 1)}

CENTURY = """century centuries cent jahrhundert(?:e|en|es|s)? jahrh jhs? jhds? jhdts? jhts? siecles?
             siglos? sigl? segles?
             secol[oi] secc? saec seculos? eeuw(?:en)? ss?"""
DECADE = """annees anos decad[ae]s?(?:_of_the|_of|_de_los|_de)? decennio anys anni jaren jahre"""
BEFORE = """not_later_than no_later_than not_after before vor avant antes anteriore? abans prima voor
            until till by bis
            spatestens jusqu'(?:en|a|au)? hasta fins(?=_a) fino(?=_al) ante pre ate"""
AFTER = """not_earlier_than not_before after nach apres despues posteriore? despres dopo na since seit
           ab fruhestens depuis
           desde post apos from von vanaf dal"""
LATER = """(?:or|oder|ou|o|of)_(?:later|spater|apres|posterior|mas_tarde|despues|dopo|after) onwards? post_quem"""
EARLIER = """(?:or|oder|ou|o|of)_(?:earlier|before|fruher|avant|anterior|antes|prima|eerder) ante_quem"""
CIRCA = """circa cca ca c um gegen etwa wohl vers environ env hacia hac h alrededor cap(?=_a) vora verso intorno rond
           omstreeks ongeveer approx(?:imately)? about around probably prob perhaps possibly vermutl(?:ich)?
           wahrscheinlich probablement probablemente probabilmente por_volta cerca aprox(?:imadamente)?
           waarschijnlijk"""
JOIN = """to a al au and und u et y i e en ed zu or oder ou of o tot through thru"""
OTHER = """digiti[sz]\\w* digitali\\w* numeris\\w* gescan\\w* scan(?:ned|s)? catalogu\\w* accession\\w*
           acqui\\w* erwor\\w*
           born died gebor\\w* gestorb\\w* geb gest nacid\\w* fallecid\\w* nascut mort nato morto overleden restor\\w*
           restaur\\w* purchas\\w* donat\\w* inv(?:entory|entar)? nr no num lot copyright uploaded"""
"""Something else than the making of the work happened in the year next to these."""

MADE = """painted made created creation executed signed dated datiert gemalt peint date pintado fechado datado dipinto
          datato"""

FILLER = """the in on of years? dem den der des das die im am jahren? jahre?s? el la le les los del
            della dell dels de di du
            da do dos l d il lo ano anos any anys anni anno annees? an ad het jaar jaren van between
            zwischen entre tra fra
            tussen
            january february march april june july august september october november december
            jan feb mar apr may jun jul aug sept? oct nov dec
            januar februar marz mai juni juli oktober dezember okt dez
            janvier fevrier mars avril juin juillet aout septembre octobre novembre decembre
            enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre
            gener febrer maig juny juliol agost setembre desembre
            gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre
            januari februari maart mei augustus"""
"""Words and months that change nothing for the year."""

BC = r"""b\.?_?c\.?(?:_?e\b\.?)? v\._?c\.? v(?:or)?\.?_?chr(?:ist\w*)? v\.?_?u\.?_?z av(?:ant)?\.?_?j\.?-?_?c
         a\._?(?:de_)?c (?<=[\divx]_)ac avanti_cristo antes_de_cristo abans_de_crist"""
AD = r"""a\.?_?d c\._?e (?<=\d_)ce n(?:ach)?\.?_?chr(?:ist\w*)? n\._?c ap(?:r(?:es)?)?\.?_?j\.?-?_?c d\._?(?:de_)?c
         (?<=[\divx]_)dc anno_domini despues_de_cristo despres_de_crist dopo_cristo"""


def pattern(words: str) -> str:
    """Return the expression for any of ``words``: whole words, with or without the dot of an abbreviation."""
    return f"(?:{_alternatives(words)})(?![a-z'])\\.?"


def _alternatives(words: str) -> str:
    return "|".join(word.replace("_", "[ ]") for word in words.split())


def alternatives(rows: dict[int, str]) -> str:
    """Return the expression for any word of a numbered table, without its ends."""
    return "|".join(_alternatives(words) for words in rows.values())


def number_of(word: str, rows: dict[int, str]) -> int:
    """Return the number of the row of a table that ``word`` is in."""
    return next(number for number, words in rows.items() if re.fullmatch(_alternatives(words), word.rstrip(".")))
