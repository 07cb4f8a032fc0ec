"""Dates as museums of Europe write them, language by language, with the years that they mean.

A line is ``text | first | last``, with ``-`` for an open end, and ``~`` (about) or ``?`` (perhaps) after the years
where the text says so.
"""

from __future__ import annotations

import pytest

from sgob_tasks.context.dates import DateRange, parse_date

NOW = 2026

WRITTEN = {
    "english": """
        1503 | 1503 | 1503
        ca. 1480-85 | 1480 | 1485 ~
        c. 1480–5 | 1480 | 1485 ~
        15th century | 1401 | 1500
        late 15th or early 16th century | 1467 | 1533
        1st half of the 17th c. | 1601 | 1650
        last quarter of the 15th century | 1476 | 1500
        mid-18th century | 1734 | 1766
        before 1520 | - | 1520
        before or in 1520 | - | 1520
        after 1520 | 1520 | -
        1503/04 | 1503 | 1504
        14-- | 1400 | 1499
        [1890?] | 1890 | 1890 ?
        possibly 1890 | 1890 | 1890 ?
        probably 15th century | 1401 | 1500 ?
        1520s | 1520 | 1529
        early 1520s | 1520 | 1522
        between 1480 and 1485 | 1480 | 1485
        1480 to 1485 | 1480 | 1485
        A.D. 79 | 79 | 79
        4th century BC | -400 | -301
        c. 2600-2500 BC | -2600 | -2500 ~
        5th century BC-1st century AD | -500 | 100
        1642, dated | 1642 | 1642
        about 1650 | 1650 | 1650 ~
        3rd quarter 19th century | 1851 | 1875
    """,
    "latin": """
        saec. XV | 1401 | 1500
        sæc. XV | 1401 | 1500
        s. XV in. | 1401 | 1433
        s. XV med. | 1434 | 1466
        s. XV ex. | 1467 | 1500
        s. XV/XVI | 1401 | 1600
        s. XV² | 1451 | 1500
        s. XV 2/4 | 1426 | 1450
        ante 1520 | - | 1520
        post 1520 | 1520 | -
        MDIII | 1503 | 1503
        anno 1503 | 1503 | 1503
    """,
    "german": """
        um 1480/85 | 1480 | 1485 ~
        15. Jh. | 1401 | 1500
        2. Hälfte des 15. Jahrhunderts | 1451 | 1500
        1. Drittel 16. Jh. | 1501 | 1533
        Anfang des 17. Jahrhunderts | 1601 | 1633
        Ende 15. / Anfang 16. Jh. | 1467 | 1533
        vor 1520 | - | 1520
        nach 1520 | 1520 | -
        wohl 1503 | 1503 | 1503 ?
        vermutlich um 1503 | 1503 | 1503 ?
        zwischen 1480 und 1485 | 1480 | 1485
        1520er Jahre | 1520 | 1529
        letztes Viertel 15. Jh. | 1476 | 1500
        500 v. Chr. | -500 | -500
        1503 (?) | 1503 | 1503 ?
    """,
    "dutch": """
        ca. 1480 - ca. 1485 | 1480 | 1485 ~
        15e eeuw | 1401 | 1500
        vijftiende eeuw of 15de eeuw | 1401 | 1500
        eerste helft 17e eeuw | 1601 | 1650
        laatste kwart 15de eeuw | 1476 | 1500
        eind 16e eeuw | 1567 | 1600
        omstreeks 1503 | 1503 | 1503 ~
        vóór 1520 | - | 1520
        na 1520 | 1520 | -
        tussen 1480 en 1485 | 1480 | 1485
        waarschijnlijk 1503 | 1503 | 1503 ?
        jaren 1520 | 1520 | 1529
    """,
    "french": """
        XVe siècle | 1401 | 1500
        XVᵉ siècle | 1401 | 1500
        XVe-XVIe siècles | 1401 | 1600
        15e siècle | 1401 | 1500
        1ère moitié du XVIIe siècle | 1601 | 1650
        2ème quart du XVIe siècle | 1526 | 1550
        dernier quart du XVe s. | 1476 | 1500
        fin XVe - début XVIe siècle | 1467 | 1533
        milieu du XVIIIe siècle | 1734 | 1766
        vers 1480-1485 | 1480 | 1485 ~
        avant 1520 | - | 1520
        après 1520 | 1520 | -
        entre 1480 et 1485 | 1480 | 1485
        peut-être 1503 | 1503 | 1503 ?
        années 1520 | 1520 | 1529
        Ier siècle av. J.-C. | -100 | -1
        IIe siècle apr. J.-C. | 101 | 200
        de 1480 à 1485 | 1480 | 1485
    """,
    "spanish": """
        s. XV | 1401 | 1500
        siglo XV | 1401 | 1500
        S. XV-XVI | 1401 | 1600
        primera mitad del siglo XVII | 1601 | 1650
        último cuarto del siglo XV | 1476 | 1500
        primer tercio del s. XVI | 1501 | 1533
        finales del siglo XV | 1467 | 1500
        principios del siglo XVI | 1501 | 1533
        mediados del siglo XVIII | 1734 | 1766
        hacia 1480 | 1480 | 1480 ~
        h. 1480-1485 | 1480 | 1485 ~
        antes de 1520 | - | 1520
        después de 1520 | 1520 | -
        entre 1480 y 1485 | 1480 | 1485
        1480 a 1485 | 1480 | 1485
        década de 1520 | 1520 | 1529
        siglo V a.C. | -500 | -401
        quizás 1503 | 1503 | 1503 ?
    """,
    "catalan": """
        segle XV | 1401 | 1500
        primera meitat del segle XVII | 1601 | 1650
        segon quart del segle XV | 1426 | 1450
        darrer terç del segle XV | 1467 | 1500
        finals del segle XV | 1467 | 1500
        principi del segle XVI | 1501 | 1533
        mitjan segle XVIII | 1734 | 1766
        cap a 1480 | 1480 | 1480 ~
        abans de 1520 | - | 1520
        després de 1520 | 1520 | -
        entre 1480 i 1485 | 1480 | 1485
        segle V aC | -500 | -401
    """,
    "portuguese": """
        século XV | 1401 | 1500
        séc. XV | 1401 | 1500
        séc. XV-XVI | 1401 | 1600
        primeira metade do século XVII | 1601 | 1650
        segundo quartel do século XVIII | 1726 | 1750
        início do século XVI | 1501 | 1533
        meados do século XVIII | 1734 | 1766
        finais do século XV | 1467 | 1500
        cerca de 1480 | 1480 | 1480 ~
        antes de 1520 | - | 1520
        depois de 1520 | 1520 | -
        entre 1480 e 1485 | 1480 | 1485
        provavelmente 1503 | 1503 | 1503 ?
    """,
    "italian": """
        ultimo quarto del Quattrocento | 1476 | 1500
        XV secolo | 1401 | 1500
        sec. XV | 1401 | 1500
        secc. XV-XVI | 1401 | 1600
        prima metà del XVII secolo | 1601 | 1650
        primo terzo del Cinquecento | 1501 | 1533
        fine XV sec. | 1467 | 1500
        inizio del XVI secolo | 1501 | 1533
        metà del XVIII secolo | 1734 | 1766
        seconda metà del '400 | 1451 | 1500
        '500 | 1501 | 1600
        1480 circa | 1480 | 1480 ~
        ante 1520 | - | 1520
        prima del 1520 | - | 1520
        dopo il 1520 | 1520 | -
        tra il 1480 e il 1485 | 1480 | 1485
        dal 1480 al 1485 | 1480 | 1485
        forse 1503 | 1503 | 1503 ?
        V secolo a.C. | -500 | -401
    """,
    "romanian": """
        secolul XV | 1401 | 1500
        secolul al XV-lea | 1401 | 1500
        sec. al XV-lea | 1401 | 1500
        sec. XV-XVI | 1401 | 1600
        prima jumătate a secolului al XVII-lea | 1601 | 1650
        a doua jumătate a sec. XV | 1451 | 1500
        ultimul sfert al secolului al XV-lea | 1476 | 1500
        sfârșitul secolului al XV-lea | 1467 | 1500
        începutul secolului XVI | 1501 | 1533
        mijlocul secolului XVIII | 1734 | 1766
        circa 1480 | 1480 | 1480 ~
        cca. 1480 | 1480 | 1480 ~
        înainte de 1520 | - | 1520
        după 1520 | 1520 | -
        între 1480 și 1485 | 1480 | 1485
        sec. V î.Hr. | -500 | -401
        probabil 1503 | 1503 | 1503 ?
    """,
    "swedish": """
        1400-talet | 1400 | 1499
        1500-tal | 1500 | 1599
        1600-talets första hälft | 1600 | 1649
        andra hälften av 1400-talet | 1450 | 1499
        slutet av 1400-talet | 1466 | 1499
        början av 1500-talet | 1500 | 1532
        mitten av 1700-talet | 1733 | 1765
        15:e århundradet | 1401 | 1500
        ca 1480 | 1480 | 1480 ~
        omkring 1480 | 1480 | 1480 ~
        cirka 1480-1485 | 1480 | 1485 ~
        före 1520 | - | 1520
        efter 1520 | 1520 | -
        mellan 1480 och 1485 | 1480 | 1485
        troligen 1503 | 1503 | 1503 ?
        1520-talet | 1520 | 1529
        500 f.Kr. | -500 | -500
        79 e.Kr. | 79 | 79
    """,
    "danish": """
        1400-tallet | 1400 | 1499
        15. århundrede | 1401 | 1500
        første halvdel af 1600-tallet | 1600 | 1649
        anden halvdel af 1400-tallet | 1450 | 1499
        slutningen af 1400-tallet | 1466 | 1499
        begyndelsen af 1500-tallet | 1500 | 1532
        midten af 1700-tallet | 1733 | 1765
        omkring 1480 | 1480 | 1480 ~
        før 1520 | - | 1520
        efter 1520 | 1520 | -
        mellem 1480 og 1485 | 1480 | 1485
        sandsynligvis 1503 | 1503 | 1503 ?
        1520'erne | 1520 | 1529
        500 f.Kr. | -500 | -500
    """,
    "norwegian": """
        1400-tallet | 1400 | 1499
        15. århundre | 1401 | 1500
        siste halvdel av 1400-tallet | 1450 | 1499
        slutten av 1400-tallet | 1466 | 1499
        begynnelsen av 1500-tallet | 1500 | 1532
        tidlig 1500-tall | 1500 | 1532
        ca. 1480 | 1480 | 1480 ~
        rundt 1480 | 1480 | 1480 ~
        etter 1520 | 1520 | -
        mellom 1480 og 1485 | 1480 | 1485
        1520-årene | 1520 | 1529
        trolig 1503 | 1503 | 1503 ?
        fra 1480 til 1485 | 1480 | 1485
    """,
    "finnish": """
        1400-luku | 1400 | 1499
        1400-luvulla | 1400 | 1499
        1600-luvun alkupuoli | 1600 | 1649
        1400-luvun loppupuoli | 1450 | 1499
        1500-luvun alku | 1500 | 1532
        1400-luvun loppu | 1466 | 1499
        1700-luvun puoliväli | 1733 | 1765
        1480-luku | 1480 | 1489
        15. vuosisata | 1401 | 1500
        noin 1480 | 1480 | 1480 ~
        n. 1480-1485 | 1480 | 1485 ~
        ennen vuotta 1520 | - | 1520
        vuoden 1520 jälkeen | 1520 | -
        todennäköisesti 1503 | 1503 | 1503 ?
        500 eKr. | -500 | -500
        79 jKr. | 79 | 79
    """,
    "estonian": """
        15. sajand | 1401 | 1500
        15. saj. | 1401 | 1500
        17. sajandi esimene pool | 1601 | 1650
        15. sajandi teine pool | 1451 | 1500
        15. sajandi lõpp | 1467 | 1500
        16. sajandi algus | 1501 | 1533
        18. sajandi keskpaik | 1734 | 1766
        umbes 1480 | 1480 | 1480 ~
        u. 1480 | 1480 | 1480 ~
        enne 1520 | - | 1520
        pärast 1520 | 1520 | -
        1520. aastad | 1520 | 1529
        500 eKr | -500 | -500
    """,
    "hungarian": """
        15. század | 1401 | 1500
        XV. század | 1401 | 1500
        15. sz. | 1401 | 1500
        17. század első fele | 1601 | 1650
        15. század második fele | 1451 | 1500
        15. század utolsó negyede | 1476 | 1500
        15. század vége | 1467 | 1500
        16. század eleje | 1501 | 1533
        18. század közepe | 1734 | 1766
        18. századi | 1701 | 1800
        1480 körül | 1480 | 1480 ~
        1480 k. | 1480 | 1480 ~
        kb. 1480 | 1480 | 1480 ~
        1520 előtt | - | 1520
        1520 után | 1520 | -
        1480 és 1485 között | 1480 | 1485
        1520-as évek | 1520 | 1529
        valószínűleg 1503 | 1503 | 1503 ?
        Kr. e. 5. század | -500 | -401
        i. e. 500 | -500 | -500
    """,
    "polish": """
        XV w. | 1401 | 1500
        XV wiek | 1401 | 1500
        XV/XVI w. | 1401 | 1600
        1. poł. XVII w. | 1601 | 1650
        I połowa XVII wieku | 1601 | 1650
        druga połowa XV wieku | 1451 | 1500
        2. ćw. XVI w. | 1526 | 1550
        ostatnia ćwierć XV w. | 1476 | 1500
        koniec XV w. | 1467 | 1500
        pocz. XVI w. | 1501 | 1533
        połowa XVIII w. | 1734 | 1766
        ok. 1480 | 1480 | 1480 ~
        około 1480 r. | 1480 | 1480 ~
        przed 1520 | - | 1520
        po 1520 | 1520 | -
        między 1480 a 1485 | 1480 | 1485
        od 1480 do 1485 | 1480 | 1485
        1503 r. | 1503 | 1503
        lata 1520. | 1520 | 1529
        prawdopodobnie 1503 | 1503 | 1503 ?
        V w. p.n.e. | -500 | -401
    """,
    "czech": """
        15. století | 1401 | 1500
        15. stol. | 1401 | 1500
        1. polovina 17. století | 1601 | 1650
        2. pol. 15. stol. | 1451 | 1500
        poslední čtvrtina 15. století | 1476 | 1500
        první třetina 16. století | 1501 | 1533
        konec 15. století | 1467 | 1500
        začátek 16. století | 1501 | 1533
        počátek 16. století | 1501 | 1533
        polovina 18. století | 1734 | 1766
        kolem 1480 | 1480 | 1480 ~
        kolem roku 1480 | 1480 | 1480 ~
        asi 1480 | 1480 | 1480 ~
        před 1520 | - | 1520
        po roce 1520 | 1520 | -
        mezi 1480 a 1485 | 1480 | 1485
        pravděpodobně 1503 | 1503 | 1503 ?
        5. stol. př. n. l. | -500 | -401
        5. století př. Kr. | -500 | -401
    """,
    "slovak": """
        15. storočie | 1401 | 1500
        15. stor. | 1401 | 1500
        1. polovica 17. storočia | 1601 | 1650
        druhá polovica 15. storočia | 1451 | 1500
        posledná tretina 15. storočia | 1467 | 1500
        koniec 15. storočia | 1467 | 1500
        začiatok 16. storočia | 1501 | 1533
        polovica 18. storočia | 1734 | 1766
        okolo 1480 | 1480 | 1480 ~
        pred rokom 1520 | - | 1520
        po roku 1520 | 1520 | -
        medzi 1480 a 1485 | 1480 | 1485
        5. storočie pred n. l. | -500 | -401
    """,
    "slovenian": """
        15. stoletje | 1401 | 1500
        1. polovica 17. stoletja | 1601 | 1650
        druga polovica 15. stol. | 1451 | 1500
        konec 15. stoletja | 1467 | 1500
        začetek 16. stoletja | 1501 | 1533
        sredina 18. stoletja | 1734 | 1766
        okoli 1480 | 1480 | 1480 ~
        okoli leta 1480 | 1480 | 1480 ~
        pred 1520 | - | 1520
        po letu 1520 | 1520 | -
        med 1480 in 1485 | 1480 | 1485
        verjetno 1503 | 1503 | 1503 ?
        5. stoletje pr. n. št. | -500 | -401
    """,
    "croatian": """
        15. stoljeće | 1401 | 1500
        XV. stoljeće | 1401 | 1500
        15. st. | 1401 | 1500
        prva polovica 17. stoljeća | 1601 | 1650
        2. polovina 15. st. | 1451 | 1500
        kraj 15. stoljeća | 1467 | 1500
        početak 16. stoljeća | 1501 | 1533
        sredina 18. stoljeća | 1734 | 1766
        oko 1480. | 1480 | 1480 ~
        oko 1480. godine | 1480 | 1480 ~
        prije 1520. | - | 1520
        nakon 1520. | 1520 | -
        između 1480. i 1485. | 1480 | 1485
        vjerojatno 1503. | 1503 | 1503 ?
        5. st. pr. Kr. | -500 | -401
    """,
    "latvian": """
        15. gadsimts | 1401 | 1500
        15. gs. | 1401 | 1500
        17. gadsimta pirmā puse | 1601 | 1650
        15. gs. otrā puse | 1451 | 1500
        15. gadsimta beigas | 1467 | 1500
        16. gadsimta sākums | 1501 | 1533
        18. gs. vidus | 1734 | 1766
        ap 1480 | 1480 | 1480 ~
        ap 1480. gadu | 1480 | 1480 ~
        pirms 1520 | - | 1520
        pēc 1520 | 1520 | -
        1503. gads | 1503 | 1503
        5. gs. p.m.ē. | -500 | -401
    """,
    "lithuanian": """
        XV amžius | 1401 | 1500
        XV a. | 1401 | 1500
        XVII a. pirmoji pusė | 1601 | 1650
        XV a. antroji pusė | 1451 | 1500
        XV a. pabaiga | 1467 | 1500
        XVI a. pradžia | 1501 | 1533
        XVIII a. vidurys | 1734 | 1766
        apie 1480 | 1480 | 1480 ~
        apie 1480 m. | 1480 | 1480 ~
        prieš 1520 | - | 1520
        po 1520 | 1520 | -
        1503 m. | 1503 | 1503
        V a. pr. Kr. | -500 | -401
    """,
    "greek": """
        15ος αιώνας | 1401 | 1500
        15ος αι. | 1401 | 1500
        15ου αιώνα | 1401 | 1500
        πρώτο μισό του 17ου αιώνα | 1601 | 1650
        β΄ μισό του 15ου αιώνα | 1451 | 1500
        τέλη 15ου αιώνα | 1467 | 1500
        αρχές του 16ου αιώνα | 1501 | 1533
        μέσα 18ου αιώνα | 1734 | 1766
        περίπου 1480 | 1480 | 1480 ~
        γύρω στο 1480 | 1480 | 1480 ~
        πριν από το 1520 | - | 1520
        μετά το 1520 | 1520 | -
        μεταξύ 1480 και 1485 | 1480 | 1485
        5ος αιώνας π.Χ. | -500 | -401
        79 μ.Χ. | 79 | 79
    """,
    "russian": """
        XV век | 1401 | 1500
        XV в. | 1401 | 1500
        ХV век | 1401 | 1500
        XV-XVI вв. | 1401 | 1600
        15 век | 1401 | 1500
        первая половина XVII века | 1601 | 1650
        2-я половина XV в. | 1451 | 1500
        последняя четверть XV века | 1476 | 1500
        первая треть XVI века | 1501 | 1533
        конец XV века | 1467 | 1500
        начало XVI века | 1501 | 1533
        середина XVIII века | 1734 | 1766
        конец XV - начало XVI в. | 1467 | 1533
        около 1480 | 1480 | 1480 ~
        ок. 1480 г. | 1480 | 1480 ~
        до 1520 | - | 1520
        после 1520 года | 1520 | -
        между 1480 и 1485 годами | 1480 | 1485
        с 1480 по 1485 | 1480 | 1485
        1520-е гг. | 1520 | 1529
        вероятно, 1503 | 1503 | 1503 ?
        V в. до н. э. | -500 | -401
        I век н. э. | 1 | 100
    """,
    "bulgarian": """
        15 век | 1401 | 1500
        XV в. | 1401 | 1500
        първа половина на XVII век | 1601 | 1650
        втора половина на XV в. | 1451 | 1500
        края на XV век | 1467 | 1500
        началото на XVI век | 1501 | 1533
        средата на XVIII век | 1734 | 1766
        около 1480 г. | 1480 | 1480 ~
        преди 1520 | - | 1520
        след 1520 | 1520 | -
        между 1480 и 1485 | 1480 | 1485
        V век пр. Хр. | -500 | -401
    """,
    "edtf": """
        1984 | 1984 | 1984
        1985-04-12 | 1985 | 1985
        1964/2008 | 1964 | 2008
        2004-06/2006-08 | 2004 | 2006
        2004-02-01/2005 | 2004 | 2005
        1984~ | 1984 | 1984 ~
        1984? | 1984 | 1984 ?
        1984% | 1984 | 1984 ?
        2004-06-11% | 2004 | 2004 ?
        156X | 1560 | 1569
        15XX | 1500 | 1599
        1XXX | 1000 | 1999
        1985-04-XX | 1985 | 1985
        1985-XX-XX | 1985 | 1985
        1984/ | 1984 | -
        1984/.. | 1984 | -
        ../1984 | - | 1984
        /1984 | - | 1984
        1985-04-12/.. | 1985 | -
        1984~/2004 | 1984 | 2004 ~
        1984-06-02?/2004-08-08~ | 1984 | 2004 ?
        2001-21 | 2001 | 2001
        2001-24 | 2001 | 2001
        1801-24 | 1801 | 1824
        -0044 | -44 | -44
        -0044/0014 | -44 | 14
        -1985 | -1985 | -1985
        18XX? | 1800 | 1899 ?
    """,
    "decades of a century, and longer": """
        5th decade of the 19th century | 1840 | 1849
        80er Jahre des 15. Jahrhunderts | 1480 | 1489
        lata 80. XV w. | 1480 | 1489
        80. léta 15. století | 1480 | 1489
        80-е годы XV века | 1480 | 1489
        anni '80 del XV secolo | 1480 | 1489
        années 80 du XIXe siècle | 1880 | 1889
        2nd millennium BC | -2000 | -1001
        Second millenium AD | 1001 | 2000
        2e millénaire après J.-C. | 1001 | 2000
        Первая половниа 19-го века | 1801 | 1850
        2-я четверть 20-го века | 1926 | 1950
    """,
    "seen elsewhere": """
        Late 5th–early 4th century B.C. | -434 | -368
        1st half of the 4th century BC | -400 | -351
        przełom XV i XVI w. | 1401 | 1600
        segles XV i XVI | 1401 | 1600
        séc. XVI, 1.ª metade | 1501 | 1550
        secondo decennio del XVI secolo | 1510 | 1519
        funfzehntes Jahrhundert | 1401 | 1500
        fünfzehntes Jahrhundert | 1401 | 1500
        quinzième siècle | 1401 | 1500
        quindicesimo secolo | 1401 | 1500
        1er siècle | 1 | 100
        XVII ст. | 1601 | 1700
        1600-luvun jälkipuoli | 1650 | 1699
        1600-talets mitt | 1633 | 1665
        вторая пол. XVII в. | 1651 | 1700
        zač. 17. stol. | 1601 | 1633
        1650.05.01 | 1650 | 1650
        ±1650 | 1650 | 1650 ~
        1650 und später | 1650 | -
        Qing dynasty (1644-1911), Kangxi period (1662-1722) | 1662 | 1722
        [18--?] | 1800 | 1899 ?
        after 1510, before 1520 | 1510 | 1520
    """,
    "several": """
        1503 or 1504 | 1503 | 1504
        1498, 1502 und 1511 | 1498 | 1511
        16. Jahrhundert, um 1530 | 1530 | 1530 ~
        [ca. 1480-1490?] | 1480 | 1490 ?
        <em>c.</em>&nbsp;1480 | 1480 | 1480 ~
        1503 🎨 | 1503 | 1503
        [147-] | 1470 | 1479
        [147-?] | 1470 | 1479 ?
        [between 1906 and 1912] | 1906 | 1912
        1642 | 1642 | 1642
    """,
}

ROWS = [
    pytest.param(*(cell.strip() for cell in line.split("|")), id=f"{language}: {line.split('|')[0].strip()}")
    for language, block in WRITTEN.items()
    for line in block.strip().splitlines()
]


def test_the_table_is_as_large_as_it_says() -> None:
    assert len(ROWS) >= 400
    assert (
        len(WRITTEN) - 5 >= 25
    )  # cataloguers' Latin, the Extended Date/Time Format and what is mixed are no languages


@pytest.mark.parametrize(("text", "first", "last"), ROWS)
def test_written_dates(text: str, first: str, last: str) -> None:
    doubt = last[-1] if last[-1] in "~?" else ""
    years = (None if year == "-" else int(year) for year in (first, last.rstrip(" ~?")))
    found = parse_date(text, NOW)
    assert found == DateRange(*years, circa=bool(doubt))
    assert found.uncertain is (doubt == "?")
