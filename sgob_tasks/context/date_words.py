r"""The vocabulary of museum dates, folded (no case, no accents), as regular expressions for ``context.date_tokens``.

Words stand apart by white space and ``_`` is a space inside one. A line of a table holds, in this order where they
have words of their own: English and cataloguers' Latin; German and Dutch; French, Spanish, Catalan, Portuguese,
Italian and Romanian; Swedish, Danish and Norwegian; Finnish, Estonian and Hungarian; Polish, Czech, Slovak, Slovenian
and Croatian; Latvian and Lithuanian; Greek; Russian and Bulgarian. ``\w*`` stands for the endings of a language that
has cases.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

UNITS = {
    2: r"""halves half halfte (?<=[.\s])h helft moitie mitad meitat meta metade jumat\w* halvdel\w* halft(?:en)? halva
           puolisko\w* pool(?:e[ls]?)? fel[eé]?(?:ben)? polow\w* polov\w* pol puse[is]? puseje μισ[οου]\w* полов\w*
           пол""",
    3: r"""thirds? drittel derde tiers tercio terc terzo terco treime\w* tredjedel\w* kolmannes\w* kolmandik\w*
           harmad\w* tercj\w* tretin\w* tresdal\w* tresdalis τριτ\w* трет[ьи]\w*""",
    4: r"""quarters? quart viertel kwart cuarto quarto quartel sfert\w* kvartal\w* fjerdedel\w* fjardedel\w*
           neljannes\w*
           veerand\w* negyed\w* cwierc\w* cw ctvrt\w* stvrt\w* cetrt\w* cetvrt\w* ceturks\w* ketvir\w* τεταρτ\w*
           четв\w* четвърт\w*""",
    10: r"""decenn\w* decenii?\w* decades? decada dekad\w* desetilet\w* desetljec\w* dziesieciolec\w* evtized\w*
            десетилет\w* десятилет\w*""",
}
"""Into how many parts a period is cut."""

POSITIONS = {
    1: r"""1(?:st|ere?|re|er|e|\.?[ao]|ste|ra|-[яаыйо]\w?|-ва)? i first erste[nrs]? eerste premiere? primera?
           primer[ao] prim[aou]
           primul primeir[ao] forsta foerste forra ensimma\w* esime\w* elso pierwsz\w* prvn?\w* pirm\w* α'? πρωτ\w*
           перв\w* първ\w*""",
    2: r"""2(?:nd|nde|eme|e|\.?[ao]|de|da|on|n|ra|-[яаыйо]\w?|-ра)? ii second zweite[nrs]? tweede seconde deuxieme
           segund[ao] segona?
           second[ao] a_doua al_doilea andra anden andre annen toinen tois\w* teine teise masodik drug\w* druh\w*
           otr\w* antr\w* β'? δευτερ\w* втор\w*""",
    3: r"""3(?:rd|eme|e|\.?[ao]|de|er|r|ra|-[яаыйое]\w?|-та)? iii third dritte[nrs]? derde troisieme tercera? tercero
           terzo terceir[ao]
           al_treilea a_treia tredje kolmas kolman\w* kolmanda harmadik trzeci\w* treti\w* tret?j\w* tres\w* trec\w*
           τριτ\w* трет\w*""",
    4: r"""4(?:th|eme|e|\.?[ao]|de|t|-[яаыйо]\w?|-та)? iv fourth vierte[nrs]? vierde quatrieme cuarto quarto quart
           al_patrulea fjarde
           fjerde neljas neljan\w* neljanda negyedik czwart\w* ctvrt\w* stvrt\w* cetrt\w* cetvrt\w* ceturt\w*
           ketvirt\w* τεταρτ\w* четвер\w* четвърт\w*""",
    0: r"""last letzte[nrs]? laatste derniere? ultim\w* darrera? darrer sista siste sidste seneste senare viimei\w*
           viimane
           viimase utolso ostatni\w* posledn\w* zadnj\w* pedej\w* paskutin\w* τελευτ\w* последн\w*""",
}
"""Which of the parts; 0 is the last, of however many."""

HALVES = {1: r"alkupuol\w*", 2: r"loppupuol\w* jalkipuol\w*"}
"""Words that are a half in themselves."""

STAGES = {
    1: r"""early beginning start (?<=[ivx]_)in\. anfang beginn fruhe[nsr]? begin vroege? debuts? principios? comienzos
           inicios? principis? inicis? inizio inizi comecos? incep\w* borjan forra_del(?:en)? begynnels\w*
           begyndels\w* tidlig\w*
           tidig\w* alku\w* alussa varhain\w* algus\w* elej\w* poczat\w* pocz zac(?:at\w*)? poc(?:at\w*)? zaciat\w*
           zacet\w*
           pocet\w* sakum\w* pradz\w* αρχ(?:εσ|η) нач\w*""",
    2: r"""mid middle med mitte midden milieu mediados mitjans? meta meados meio mitad mijloc\w* mitt(?:en)? midten
           puolival\w* keskpai\w* kozep\w* polow\w* polov\w* pol stred\w* sredin\w* vid(?:us?|ur\w*)? μεσα μεσων
           сер(?:ед\w*)? сред\w*""",
    3: r"""late later end (?<=[ivx]_)ex ende spate[nsr]? laat eind einde fin fins(?=_d) finals? finales fines fi fine
           senare_del(?:en)? finais fim sfarsit\w* slut(?:et|ningen|ten)? sen(?:t|a)? loppu\w* lop[pu]\w* veg[eé]\w*
           koniec konc\w* kon
           konec kraj\w* krajem beig\w* pabaig\w* τελ(?:η|οσ|ουσ) кон\w* кра\w*""",
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
"""Only where a word for century follows: they mean much else."""

_FROM_ELEVENTH = (
    "onzieme douzieme treizieme quatorzieme quinzieme seizieme dix-septieme dix-huitieme dix-neuvieme vingtieme",
    "elfte zwolfte dreizehnte vierzehnte funfzehnte sechzehnte siebzehnte achtzehnte neunzehnte zwanzigste",
    "elfde twaalfde dertiende veertiende vijftiende zestiende zeventiende achttiende negentiende twintigste",
    """undicesimo dodicesimo tredicesimo quattordicesimo quindicesimo sedicesimo diciassettesimo diciottesimo
    diciannovesimo ventesimo""",
)
CENTURY_ORDINALS = {word: number for row in _FROM_ELEVENTH for number, word in enumerate(row.split(), 11)}

CENTURY = r"""century centuries cent saec ss? seculos? jahrhundert(?:e|en|es|s)? jahrh jhs? jhds? jhdts? jhts?
              eeuw(?:en)? siecles? siglos? sigl? segles? secol(?:ul|ului|ele)?(?:_al)? secol[oi] sec\._al secc?
              arhundra?d\w* arhundre\w* arh sekle[rt]\w* seklet vuosisa\w* sajand\w* saj szazad\w* sz
              wiek(?:u|i|ow)? w stolet\w* stol storoc\w* stor stoljec\w* (?<=[.ivx]_)st(?=\.) gadsimt\w* gs amzi\w*
              (?<=[\divx]_)a(?=\.(?!_?[cdk]\b)) αιων\w* αι век\w* vek[au]? вв? столет\w* ст"""
MILLENNIUM = r"""millenn?iums? millenn?ia jahrtausend\w* jt millenaires? milen\w* millenni\w* artusende\w* artusinde\w*
                 vuosituha\w* tysiaclec\w* tisicilet\w* tisicroc\w* tisuclet\w* χιλιετ\w* тысячелет\w* хилядолет\w*"""
DECADE = r"""annees anos anii decad[ae]s?(?:_of_the|_of|_de_los|_de)? decenn\w* anys anni jaren jahre lata
             δεκαετια(?:_του)?"""
BEFORE = r"""not_later_than no_later_than not_after before until till by ante vor spatestens bis voor uiterlijk avant
             jusqu'(?:en|a|au)? antes anteriore? hasta abans fins(?=_a) prima fino(?=_al) ate pre inainte(?:_de)?
             fore foer senest ennen enne przed pred pre do(?=_\d) najkasneje prije pirms lidz pries iki
             πριν(?:_απο)? εωσ μεχρι до преди"""
AFTER = r"""not_earlier_than not_before after since from post nach seit ab fruhestens vanaf na apres depuis despues
            desde posteriore? despres apos depois dopo dal dupa efter etter fra fran tidigst aikaisintaan parast alates
            po od nakon poslije μετα απο после след с от pec"""
LATER = r"""(?:or|oder|ou|o|of|and|und|en)_(?:later|spater|apres|posterior|mas_tarde|despues|dopo|after|later) onwards?
            post_quem jalkeen utan(?=$|_|[),.;]) jarel"""
EARLIER = (
    r"""(?:or|oder|ou|o|of)_(?:earlier|before|fruher|avant|anterior|antes|prima|eerder) ante_quem elott mennessa"""
)
CIRCA = r"""circa cca ca c approx(?:imately)? about around etwa um gegen omstreeks ongeveer rond vers environ env hacia
            hac h alrededor cap(?=_a) vora verso intorno por_volta cerca aprox(?:imad\w*|imativ)? cirka omkring runt
            rundt noin n(?=\._?\d) umbes u(?=\._?\d) kb korul\w* (?<=\d_)k(?=\.|$) okolo okoli oko ok kolem kol asi
            zhruba okoli ap(?=_\d|\._?\d) apm\w* aptuveni apie περιπου γυρω_στο γυρω περ π(?=\._?\d) около ок
            прибл\w*"""
UNCERTAIN = r"""probably prob perhaps possibly presumably likely vermutl(?:ich)? wahrscheinlich wohl moglicherweise
                vielleicht waarschijnlijk vermoedelijk mogelijk probablement peut-etre probablemente quizas?
                posiblemente probablement potser provavelmente probabilmente forse probabil trolig\w* sannolikt mojligen
                sandsynligvis sannsynligvis muligens todennak\w* ehka arvatavasti toenaoliselt valoszinu\w* talan
                prawdop\w* pravdep\w* snad verjetno vjerojatno mozda iespejams galbut greiciausiai πιθαν\w* ισωσ
                вероятно возможно"""
"""The source does not say "about" but "perhaps"."""
JOIN = r"""to and or through thru und zu oder au en et ou a al u y i e ed o of tot si sau och og til eller ja tai voi es
           vagy ir un ar και η και и или по"""
OTHER = r"""digiti[sz]\w* digitali\w* numeris\w* gescan\w* scan(?:ned|s)? catalogu\w* accession\w*
            acqui\w* erwor\w*
            born died gebor\w* gestorb\w* geb gest nacid\w* fallecid\w* nascut mort nato morto overleden restor\w*
            restaur\w* purchas\w* donat\w* inv(?:entory|entar)? nr no num lot copyright uploaded"""
"""Something else than the making of the work happened in the year next to these."""

MADE = """painted made created creation executed signed dated datiert gemalt peint date pintado fechado datado dipinto
          datato"""

FILLER = r"""the in on of years? dem den der des das die im am jahren? jahre?s? el la le les los del
             della dell dels de di du
             da do dos l d il lo ano anos any anys anni anno annees? an ad het jaar jaren van between
             zwischen entre tra fra tussen intre anul anului lui ale av af aret ars ar mellan mellem mellom vuo\w*
             valilla aastast? aasta(?:tel)? vahel ev(?:ek|ben|i)? kozott kozotti roku rok rokow rokom roce r(?=\.|$)
             lat z
             miedzy mezi medzi med izmedu godin[aeiu]? god leta letu letih na gad[sau]\w* g(?=\.|$) starp metai metais
             metu
             tarp m(?=\.|$) μεταξυ το του των την τησ τα ο ετοσ год\w* гг? между на
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
         avant_notre_ere a\._?(?:de_)?c (?<=[\divx]_)ac avanti_cristo antes_de_cristo abans_de_crist i\.?_?hr
         i\.?_?e\.?_?n f\.?_?kr f\.?_?v\.?_?t ekr eaa kr\.?_?e i\._e(?=\.) p\.?_?n\.?_?e pred_n\.?_?l pr\.?_?n\.?_?l
         pr\.?_?kr pred_kr pr\.?_?n\.?_?st p\.?_?m\.?_?e π\.?_?χ до_н\.?_?э до_р\.?_?х пр\.?_?хр пр\.?_?н\.?_?е"""
AD = r"""a\.?_?d c\._?e (?<=\d_)ce n(?:ach)?\.?_?chr(?:ist\w*)? n\._?c ap(?:r(?:es)?)?\.?_?j\.?-?_?c d\._?(?:de_)?c
         (?<=[\divx]_)dc anno_domini despues_de_cristo despres_de_crist dopo_cristo d\.?_?hr e\.?_?n(?=\.) e\._?kr
         jkr jaa pkr kr\.?_?u i\._?sz n\._?e(?=\.) n\._?l(?=\.) po_kr n\._?st m\._?e(?=\.) μ\.?_?χ н\.?_?э сл\.?_?хр
         от_н\.?_?е"""


END = r"(?![^\W\d_]|')"
"""No letter and no apostrophe follows: the end of a word; a digit may ("c1500")."""


def pattern(words: str) -> str:
    """Return the expression for any of ``words``: whole words, with or without the dot of an abbreviation."""
    return rf"(?:{_alternatives(words)}){END}\.?"


def _alternatives(words: str) -> str:
    return "|".join(word.replace("_", "[ ]") for word in words.split())


def numbered(name: str, rows: Mapping[int, str]) -> str:
    """Return the expression for any word of a numbered table, without its end; groups ``name_1``, ... tell the row."""
    return "|".join(f"(?P<{name}_{number}>{_alternatives(words)})" for number, words in rows.items())


def row_of(name: str, rows: Mapping[int, str], match: re.Match[str]) -> int:
    """Return the number of the row of a table that the expression of :func:`numbered` has matched."""
    return next(number for number in rows if match[f"{name}_{number}"] is not None)
