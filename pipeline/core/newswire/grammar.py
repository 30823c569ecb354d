"""The sentences of the built-in newswire, as a weighted grammar.

`RULES` maps a rule to its productions. A production starts with its weight and a
colon, and goes on over indented lines. Its symbols:

    word        a token as written; its part of speech stands in the lexicon's TAGS
    word/VBN    a token with a part of speech of its own
    {city}      a word or name from the lexicon, the same throughout a sentence
    {city2}     another one from the same list, never equal to the first
    {city~}     the one that belongs to the sentence's other country
    {city:LOC}  the same, as an entity
    <when>      a production of another rule
    [NP … ]     a chunk;  (PER … )  an entity;  LRB, RRB  literal parentheses
    ^           the whole sentence in capitals, as in a headline

When a sentence is put together, `a` becomes `an` where it must and the first letter
a capital. The alternatives of `sentence` are the topics; each topic has a say in
which countries it may be set (cricket is not played in Finland).

The sentences are this project's own; people and events in them are invented.
"""

from collections.abc import Mapping

RULES: Mapping[str, str] = {
    "sentence": """
        8: <diplomacy>
        14: <politics>
        9: <economy>
        10: <currency>
        14: <companies>
        6: <commodities>
        8: <league>
        5: <international>
        5: <tennis>
        3: <cricket>
        10: <sport>
        8: <disaster>
        7: <court>
        4: <conflict>
        4: <weather>
        6: <culture>
        6: <dateline>
    """,
    # --- Phrases --------------------------------------------------------------------
    "country": "1: {article} {country:LOC}",
    "country~": "1: {article~} {country~:LOC}",
    "person": "1: (PER {first} {last} )",
    "person~": "1: (PER {first~} {last~} )",
    "when": """
        9: [PP on] [NP {weekday}]
        2: [ADVP late] [PP on] [NP {weekday}]
        2: [ADVP early] [PP on] [NP {weekday}]
        1: [NP last {period}]
        1: [NP this {period}]
        3: [PP in] [NP {month}]
        1: [ADVP earlier] [PP in] [NP {month}]
    """,
    "day": """
        5: [PP on] [NP {weekday}]
        1: [PP on] [NP {weekday} {daypart}]
    """,
    "season": """
        4: [PP in] [NP {month}]
        2: [PP before] [NP {month}]
        2: [PP by] [NP the end] [PP of] [NP {month}]
        1: [PP in] [NP {month} {year}]
        2: [PP on] [NP {month} {date}]
    """,
    "maybe_when": """
        2: <when>
        3:
    """,
    "since": """
        2: [PP since] [NP {month}]
        1: [PP since] [NP {month} {year}]
        2:
    """,
    "official": """
        4: [NP {nationality:MISC} {title} (PER {last} )]
        2: [NP {nationality:MISC} {title} <person> ]
        2: [NP {nationality:MISC} {portfolio} minister <person> ]
        2: [NP {title} (PER {last} ) ] [PP of] [NP <country> ]
    """,
    "in_capital": """
        3: [PP in] [NP {capital:LOC}]
        2: [PP in] [NP {capital:LOC}] , [NP {country:LOC}] ,
    """,
    "in_city": """
        2: [PP in] [NP {city:LOC}]
        3: [PP in] [NP {city:LOC}] , [NP {country:LOC}] ,
        2: [PP in] [NP the {nationality:MISC} city] [PP of] [NP {city:LOC}]
    """,
    "official~": """
        4: [NP {nationality~:MISC} {title2} (PER {last~} )]
        1: [NP {nationality~:MISC} {title2} <person~> ]
        1: [NP {nationality~:MISC} {portfolio2} minister <person~> ]
    """,
    "politician": """
        3: {title} (PER {last} )
        1: {title} <person>
    """,
    "source": """
        4: [NP {nationality:MISC} {officials}]
        4: [NP {officials}] [PP in] [NP {capital:LOC}]
        2: [NP {nationality:MISC} {officials}] [PP in] [NP {capital:LOC}]
        2: [NP <country> ] [NP 's {portfolio} ministry]
        2: [NP the {nationality:MISC} {portfolio} ministry]
        2: [NP {title} (PER {last} )] [PP of] [NP <country> ]
        2: [NP the (ORG {capital} {newspaper} )]
        1: [NP {nationality:MISC} {media}]
    """,
    "tail": """
        2: .
        4: , <source> [VP said] .
        1: , <source> [VP said] <day> .
        2: , [PP according] [PP to] <source> .
        1: , <source> [VP {claimed}] .
    """,
    "quote": """
        3: [NP we] [VP are] [ADJP {mood}] [PP about] [NP the {subject}]
        3: [NP this] [VP is] [NP a {quality} {step}] [PP for] [NP our {group}]
        2: [NP we] [VP will not {accept}] [NP any {step}] [PP of] [NP this kind]
        2: [NP it] [VP was] [NP a {quality} {moment}] [PP for] [NP all] [PP of] [NP us]
        2: [NP there] [VP is] [NP no {doubt}] [PP about] [NP the {subject}]
        1: [NP I] [VP am] [ADJP {mood}] but [NP we] [VP have] [NP much {work}] [VP to
           do]
        1: [NP they] [VP must decide] [SBAR whether] [NP they] [VP want] [NP the
           {subject}]
        1: [NP nobody] [PP in] [NP my {group}] [VP expected] [NP such a {quality}
           {moment}]
    """,
    # --- Politics and diplomacy -----------------------------------------------------
    "diplomacy": """
        5: <official> [VP {met}] <official~> [PP in] [NP {capital:LOC}] <when> .
        3: <official> [VP arrived] [PP in] [NP {capital~:LOC}] <when> [PP for] [NP
           {talks}] [PP with] <official~> .
        3: [NP <country> ] and [NP <country~> ] [VP agreed] <when> [VP to {settle}] [NP
           their {dispute}] [PP over] [NP {subject}] <tail>
        3: [NP {talks}] [PP between] [NP <country> ] and [NP <country~> ] [VP will
           {resume}] <when> [PP in] [NP {capital:LOC}] , [NP the {nationality:MISC}
           capital] .
        2: [NP {nationality~:MISC} {envoys}] [PP in] [NP {capital~:LOC}] [VP said] [NP
           <country~> ] [VP had {rejected}] [NP the {proposal}] [PP from] [NP
           {nationality:MISC} {title} (PER {last} )] .
        2: [NP <country> ] [VP {recalled}] [NP its {nationality~:MISC} {envoy}] [PP
           after] [NP a {heated} {dispute}] [PP over] [NP {subject}] <tail>
        2: [NP the {nationality:MISC} embassy] [PP in] [NP {capital~:LOC}] , [NP
           {country~:LOC}] , [VP was {shut}] <when> [PP after] [NP a {protest}] [PP
           over] [NP {subject}] .
        2: [NP {relations}] [PP between] [NP {capital:LOC}] and [NP {capital~:LOC}] [VP
           have {improved}] <since> <tail>
        2: [NP {title} (PER {last} )] [PP of] [NP <country> ] [VP will {visit}] [NP
           <country~> ] <season> [PP for] [NP {talks}] [PP on] [NP {subject}] <tail>
        2: [NP the {organization:ORG}] [VP {urged}] [NP <country> ] and [NP <country~> ]
           [VP to {resume}] [NP {talks}] [PP on] [NP {subject}] .
        3: [NP {envoys}] [PP from] [NP {number} countries] [VP met] [PP in] [NP
           {capital:LOC}] , [NP the {nationality:MISC} capital] , <when> .
        1: ^ [NP {nationality:MISC} {envoy}] [VP {meets}] [NP {nationality~:MISC}
           {portfolio} minister] .
        1: ^ [NP {country:LOC}] [VP {urges}] [NP {country~:LOC}] [VP to {settle}] [NP
           {dispute}] .
    """,
    "politics": """
        4: <official> [VP said] <in_capital> <when> [SBAR that] [NP the government] [VP
           would {adopt}] [NP its {adjective} {issue} {plan}] .
        4: [NP the {nationality:MISC} {parliament}] <in_capital> [VP {approved}] [NP the
           {issue} {plan}] <when> <tail>
        3: [NP <country> ] [NP 's government] [VP {approved}] [NP a {adjective} {plan}]
           [VP to {adopt}] [NP the {issue} {system}] <tail>
        3: [NP <politician> ] [VP {urged}] [NP {nationality:MISC} voters] <in_capital>
           [VP to {support}] [NP the {party} party] <when> .
        3: [NP the {nationality:MISC} {party} party] [PP of] [NP <politician> ] [VP
           {gained}] [NP {number} seats] [PP in] [NP <country> ] [NP 's {month}
           election] .
        2: [NP {nationality:MISC} voters] [VP will elect] [NP a new {parliament}]
           <season> , [NP {title} (PER {last} )] [VP said] .
        3: " <quote> , " [VP said] [NP <politician> ] , [NP {leader}] [PP of] [NP the
           {nationality:MISC} {party} party] [PP in] [NP {capital:LOC}] .
        2: " <quote> , " <official> [VP told] [NP reporters] [PP in] [NP {capital:LOC}]
           <day> .
        3: [NP {nationality:MISC} {protesters}] [VP rallied] <in_capital> <when> [PP
           against] [NP the government] [NP 's {issue} {plan}] .
        3: [NP opinion polls] [PP in] [NP <country> ] [VP showed] [NP {backing}] [PP
           for] [NP {title} (PER {last} )] [PP at] [NP {whole} percent] .
        3: [NP the {nationality:MISC} government] <in_capital> [VP {denied}] <when>
           [SBAR that] [NP <politician> ] [VP would {resign}] .
        2: [NP <person> ] , [NP {senior_age}] , [VP was {appointed}] [NP
           {nationality:MISC} {portfolio} minister] [PP in] [NP {capital:LOC}] <when> .
        2: [SBAR although] [NP the {party} party] [VP lost] [NP {backing}] [PP in] [NP
           {month}] , [NP {title} (PER {last} )] [VP remained] [ADJP popular] [PP in]
           [NP <country> ] .
        1: ^ [NP {nationality:MISC} {parliament}] [VP {approves}] [NP {issue} {plan}] .
        1: ^ [NP {country:LOC}] [NP 's (PER {last} )] [VP {denies}] [NP {issue} scandal]
           .
    """,
    # --- Money ----------------------------------------------------------------------
    "economy": """
        4: [NP {gauge}] [PP in] [NP <country> ] [VP {rose}] [PP to] [NP {percent}
           percent] [PP in] [NP {month}] <tail>
        4: [NP {nationality:MISC} {indicator}] [VP {rose}] [PP by] [NP {percent}
           percent] [PP in] [NP {month}] , <source> [VP said] <day> .
        3: [NP <country> ] [NP 's {indicator}] [VP {moved}] [ADVP {slightly}] [PP in]
           [NP {month}] [PP after] [NP a {size} {fall}] [PP in] [NP {month2}] <tail>
        3: [NP economists] <in_capital> [VP expect] [NP {nationality:MISC} {indicator}]
           [VP to {increase}] [PP by] [NP {percent} percent] [PP in] [NP {year}] .
        3: [NP the {nationality:MISC} central bank] [PP in] [NP {capital:LOC}] [VP
           cut/VBD] [NP its {rate} rate] [PP to] [NP {percent} percent] <when> .
        1: [NP <country> ] [VP exported] [NP {commodity}] [PP worth] [NP {amount}
           million {money}] [PP to] [NP <country~> ] [PP in] [NP {year}] .
        2: [NP the {nationality:MISC} government] [PP in] [NP {capital:LOC}] [VP will
           spend] [NP {amount} million {money}] [PP on] [NP {spending}] .
        2: [NP the {lender:ORG}] [VP lent] [NP <country> ] [NP {amount} million dollars]
           [PP for] [NP {spending}] , <source> [VP said] .
        2: [NP {trade}] [PP from] [NP <country> ] [VP {rose}] [PP by] [NP {percent}
           percent] [PP in] [NP {month}] <tail>
        2: [NP {nationality:MISC} {workers}] <in_capital> [VP went] [PP on] [NP strike]
           <when> [PP over] [NP pay] [PP in] [NP the {sector} sector] .
        1: ^ [NP {nationality:MISC} {month} {indicator}] [ADVP up] [NP {percent}
           percent] .
    """,
    "currency": """
        6: [NP the {nationality:MISC} {currency}] [VP {rose}] [PP against] [NP the
           {currency~}] [PP in] [NP {session} trading] [PP in] [NP {capital:LOC}] <when>
           .
        3: [NP the {nationality:MISC} {currency}] [VP {closed}] [PP at] [NP {exchange}]
           [PP to] [NP the {currency~}] [PP in] [NP {capital:LOC}] .
        5: [NP {nationality:MISC} dealers] [PP in] [NP {capital:LOC}] [VP said] [NP the
           {currency}] [VP was] [ADJP {firmness}] [PP against] [NP the {currency~}]
           <maybe_when> .
        5: [NP <country> ] [NP 's central bank] [VP bought] [NP the {currency}] <when>
           [VP to {defend}] [NP it] , [NP dealers] [PP in] [NP {capital:LOC}] [VP said]
           .
        5: [NP the {currency}] [VP {moved}] [ADVP {slightly}] <when> [PP after] [NP
           <country> ] [VP cut/VBD] [NP its {rate} rate] .
        2: [NP the {nationality:MISC} {currency}] [VP {rose}] [PP to] [NP {exchange}]
           [PP against] [NP the {nationality~:MISC} {currency~}] .
        3: [NP {nationality:MISC} dealers] [VP bought] [NP the {currency}] and [VP sold]
           [NP the {currency~}] [PP in] [NP {session} {capital:LOC} trading] .
        3: [NP a {strength} {currency}] [VP would {harm}] [NP {trade}] [PP from] [NP
           <country> ] , [VP said] [NP <person> ] , [NP {analyst}] [PP at] [NP a
           {capital:LOC} bank] .
        1: ^ [NP {currency}] [VP {rises}] [PP against] [NP {currency~}] [PP in] [NP
           {session} {capital:LOC} trading] .
    """,
    "companies": """
        5: [NP shares] [PP in] [NP {nationality:MISC} {kind} {firm:ORG}] [VP {rose}] [PP
           by] [NP {percent} percent] [PP to] [NP {price}] [PP in] [NP {capital:LOC}]
           <day> .
        4: [NP {firm:ORG}] , [NP the {nationality:MISC} {kind}] , [VP {reported}] [NP a
           {term} net {profit}] [PP of] [NP {amount} million {money}] .
        4: [NP {firm:ORG}] [VP said] [PP in] [NP {capital:LOC}] <when> [NP it] [VP would
           {cut_jobs}] [NP {thousands} {nationality:MISC} jobs] .
        2: [NP {firm:ORG}] and [NP {firm~:ORG}] [VP agreed] <when> [VP to {build}] [NP a
           {site}] <in_city_last>
        2: [NP {firm:ORG}] [VP {landed}] [NP a contract] [PP worth] [NP {amount} million
           dollars] [PP from] [NP {firm~:ORG}] <when> .
        3: [NP {firm:ORG} shares] [VP {closed}] [PP at] [NP {price}] , [ADVP up] [NP
           {percent} percent] , [PP after] [NP the {kind}] [VP {reported}] [NP {term}
           results] .
        3: [NP analysts] <in_capital> [VP expect] [NP {firm:ORG}] [VP to {report}] [NP a
           {term} {profit}] [PP of] [NP {amount} million {money}] .
        2: [NP {firm:ORG}] [VP named] [NP <person> ] , [NP {senior_age}] , [PP as] [NP
           {executive}] [PP in] [NP <country> ] [PP from] [NP {month} {date}] .
        2: [NP sales] [PP of] [NP {firm:ORG} {products}] [PP in] [NP <country> ] [VP
           {rose}] [PP by] [NP {percent} percent] [PP in] [NP {month}] .
        2: " <quote> , " [VP said] [NP <person> ] , [NP {executive}] [PP of] [NP
           {firm:ORG}] .
        2: [NP {firm:ORG}] [VP {unveiled}] [NP a {adjective} {product}] [PP for] [NP the
           {nationality:MISC} market] <maybe_when> .
        2: [NP the {nationality:MISC} stock index] [PP in] [NP {capital:LOC}] [VP
           {rose}] [NP {points} points] [PP to] [NP {index}] <day> , [VP led] [PP by]
           [NP {firm:ORG}] .
        1: ^ [NP {firm:ORG}] [VP {sees}] [NP {year} {profit}] [ADVP up] [NP {percent}
           percent] .
        1: ^ [NP {nationality:MISC} shares] [VP {rise}] [PP in] [NP {session}
           {capital:LOC} trading] .
        1: [NP {firm:ORG}] [NP {price}] [ADVP up] [NP {cents}]
    """,
    "commodities": """
        3: [NP {commodity} prices] [VP {moved}] [ADVP {slightly}] <in_city> [PP on] [NP
           {rumors}] [PP of] [NP {strength} demand] .
        3: [NP {commodity}] [PP for] [NP {month} delivery] [VP {closed}] [PP at] [NP
           {price} dollars] [NP a {measure}] [PP in] [NP {city:LOC}] , [ADVP up] [NP
           {cents} dollars] .
        2: [NP traders] <in_city> [VP said] [NP <country> ] [VP had bought] [NP
           {thousands} tonnes] [PP of] [NP {commodity}] [PP from] [NP <country~> ] .
        2: [NP <country> ] [NP 's {commodity} {output}] [VP will {increase}] [PP to] [NP
           {amount} million tonnes] [PP in] [NP {year}] , <source> [VP said] .
        2: [NP {nationality:MISC} {commodity} {trade}] [VP {rose}] [PP to] [NP
           {thousands} tonnes] [PP in] [NP {month}] <tail>
        1: ^ [NP {nationality:MISC} {commodity} {trade}] [VP {rise}] [PP in] [NP
           {month}] .
    """,
    # --- Sport ----------------------------------------------------------------------
    "league": """
        4: [NP {club:ORG}] [VP {beat}] [NP {club2:ORG}] [NP {score}] [PP in] [NP the
           {nationality:MISC} {division} division] <day> .
        3: [NP {position} <person> ] [VP scored] [ADVP {often}] [SBAR as] [NP
           {club:ORG}] [VP {beat}] [NP {club2:ORG}] [NP {score}] <day> .
        3: [NP {club:ORG}] [VP moved] [PP to] [NP the top] [PP of] [NP the
           {nationality:MISC} league] [PP with] [NP a {score} {victory}] [PP over] [NP
           {club2:ORG}] .
        2: [NP {position} <person> ] [VP will {join}] [NP {club:ORG}] [PP from] [NP
           {club2:ORG}] <season> , [NP the {city:LOC} club] [VP said] .
        3: [NP {club:ORG} {goals}] [NP {club2:ORG} {goals2}]
        2: [NP {club:ORG}] [VP drew] [NP {draw}] [PP with] [NP {club2:ORG}] <in_city>
           <day> .
        2: [NP {club:ORG}] [VP {beat}] [NP {club~:ORG}] [NP {score}] [PP in] [NP the
           {stage}] [PP of] [NP the {trophy:MISC}] <in_city_last>
        2: [NP {city:LOC} coach <person> ] [VP said] [NP the {position}] [VP would miss]
           [NP the {stage}] [PP against] [NP {club2:ORG}] [PP with] [NP a {limb}
           {injury}] .
        1: [NP attendance] : [NP {attendance}]
        1: ^ [NP soccer] - [NP {nationality:MISC} league {results}] .
        1: ^ [NP soccer] - [NP {club:ORG}] [VP {win}] [PP at] [NP {club2:ORG}] .
        1: [NP {nationality:MISC} league leaders] [PP after] [NP {weekday}] [NP 's
           matches] : [NP {club:ORG}] , [NP {whole} points] .
    """,
    "international": """
        4: [NP <country> ] [VP {beat}] [NP <country~> ] [NP {score}] LRB [NP halftime
           {half}] RRB [PP in] [NP a {tournament:MISC} {stage}] [PP in] [NP
           {capital:LOC}] <day> .
        3: [NP <country> ] [VP {beat}] [NP <country~> ] [NP {score}] [PP in] [NP
           {capital:LOC}] <when> [SBAR as] [NP <person> ] [VP scored] [ADVP {often}] .
        2: [NP {nationality:MISC} coach <person> ] [VP named] [NP a {adjective} squad]
           [PP for] [NP the {tournament:MISC} {stage}] [PP against] [NP <country~> ]
           <season> .
        2: [NP {position} <person> ] [VP will miss] [NP <country> ] [NP 's {stage}] [PP
           against] [NP <country~> ] [PP with] [NP a {limb} {injury}] .
        2: [NP <country> ] [VP drew] [NP {draw}] [PP with] [NP <country~> ] [PP in] [NP
           a {adjective} {tournament:MISC} {stage}] .
        2: [NP scorers] : [NP {country:LOC}] - [NP (PER {last} )] LRB [NP {minute}] RRB
           .
        1: [NP {country:LOC} {goals}] [NP {country~:LOC} {goals2}]
        1: ^ [NP soccer] - [NP {country:LOC}] [VP {win}] [PP against] [NP
           {country~:LOC}] .
    """,
    "tennis": """
        4: [NP <person> ] LRB [NP {country:LOC}] RRB [VP {beat}] [NP <person~> ] LRB [NP
           {country~:LOC}] RRB [NP {set} {set2}]
        4: [NP {nationality:MISC} {seed} seed <person> ] [VP {beat}] [NP
           {nationality~:MISC} <person~> ] [NP {set} {set2}] [PP in] [NP the {round}
           round] .
        3: [NP <person> ] [PP of] [NP <country> ] [VP {beat}] [NP <person~> ] [PP of]
           [NP <country~> ] [NP {set} {lost_set} {set2}] <day> .
        2: [NP {he}] [VP broke] [NP serve] [ADVP {often}] and [VP needed] [NP {minute}
           minutes] [VP to take] [NP the {ordinal} set] [PP against] [NP <person~> ] .
        2: " <quote> , " [VP said] [NP (PER {last} )] , [NP the {seed} seed] [PP from]
           [NP <country> ] .
        2: [NP {round} round {results}] [PP from] [NP the (MISC {city} Open )] [PP in]
           [NP <country> ] <day> .
        1: ^ [NP tennis] - [NP (PER {last} )] [VP {beats}] [NP (PER {last~} )] [PP in]
           [NP {round} round] .
    """,
    "cricket": """
        3: [NP <country> ] [VP were] [NP {runs}] [PP for] [NP {wickets}] [PP at] [NP
           {interval}] [PP against] [NP <country~> ] [PP on] [NP the {ordinal} day] .
        3: [NP <country> ] [VP {beat}] [NP <country~> ] [PP by] [NP {runs} runs] [PP in]
           [NP the {ordinal} test] [PP in] [NP {capital:LOC}] <when> .
        2: [NP {batsman} <person> ] [VP made] [NP {runs}] [PP for] [NP <country> ] [PP
           against] [NP <country~> ] .
        2: [NP {bowler} <person> ] [VP took] [NP {wickets} wickets] [PP for] [NP
           {conceded} runs] [SBAR as] [NP <country~> ] [VP were bowled] [PRT out] [PP
           for] [NP {runs}] .
        2: [NP (PER {last} )] [VP {dismissed}] [NP (PER {last~} )] [PP for] [NP
           {conceded}] [ADVP just] [PP before] [NP {interval}] .
        1: ^ [NP cricket] - [NP {country:LOC} {runs}] [PP for] [NP {wickets}] [PP at]
           [NP {interval}] .
    """,
    "sport": """
        4: ^ [NP {sport}] - [NP {sport_news}] .
        4: [NP {results}] [PP in] [NP the {nationality:MISC} {sport} championship]
           <in_city> <day> .
        3: [NP the {nationality:MISC} {sport} federation] [VP said] [PP in] [NP
           {capital:LOC}] <when> [NP it] [VP had appointed] [NP <person> ] [PP as] [NP
           national coach] .
        3: [NP {nationality:MISC} {sport} champion <person> ] [VP will {retire}]
           <season> [PP after] [NP {number} titles] .
        3: [NP the world {sport} federation] [VP banned] [NP <person> ] [PP of] [NP
           <country> ] [PP for] [NP {number} months] [PP after] [NP a positive {test}] .
        3: [NP {sport} fans] <in_city> [VP {cheered}] [NP the {nationality:MISC} {sport}
           team] <when> .
        2: [NP {sport} star <person> ] , [NP {young_age}] , [VP {signed}] [NP a {number}
           year contract] <maybe_when> .
        2: [NP {ordinal}] [NP <person> ] LRB [NP {country:LOC}] RRB [NP {points}]
    """,
    # --- Disasters, courts, conflicts -----------------------------------------------
    "disaster": """
        4: [NP {casualties} people] [VP were killed] and [NP {casualties2}] [VP
           {injured}] <when> [SBAR when] [NP a {vehicle}] [VP {overturned}]
           <in_city_last>
        3: [NP police] <in_city> [VP said] [NP {number} {bodies}] [VP had been found]
           [PP in] [NP {place}] .
        3: [NP a {disaster}] [VP {struck}] [NP the {nationality:MISC} town] [PP of] [NP
           {town:LOC}] , [PP near] [NP {city:LOC}] , [VP killing] [NP {casualties}
           people] .
        2: [NP a {disaster}] [PP in] [NP the {direction}] [PP of] [NP <country> ] [VP
           left] [NP {thousands} people] [ADJP homeless] , <source> [VP said] .
        2: [NP rescuers] <in_city> [VP searched] [NP the {wreckage}] <when> [PP for] [NP
           {survivors}] [PP of] [NP the {disaster}] .
        2: [NP {firefighters}] [PP from] [NP {city:LOC}] [VP {fought}] [NP a {blaze}]
           [PP at] [NP {place}] [PP in] [NP {town:LOC}] , [NP {country:LOC}] , <day> .
        1: [NP {survivors}] [PP in] [NP {town:LOC}] [VP said] [NP they] [VP had heard]
           [NP a {quality} noise] [PP before] [NP the {disaster}] .
        1: ^ [NP {disaster}] [VP kills] [NP {casualties}] [PP in] [NP {country:LOC}] .
    """,
    "in_city_last": """
        2: [PP in] [NP {city:LOC}] .
        3: [PP in] [NP {city:LOC}] , [NP {country:LOC}] .
        2: [PP in] [NP the {nationality:MISC} city] [PP of] [NP {city:LOC}] .
    """,
    "court": """
        4: [NP a court] <in_city> [VP jailed] [NP <person> ] , [NP {age}] , [PP for] [NP
           {number} years] <when> [PP for] [NP {crime}] .
        3: [NP {city:LOC} police] [VP {arrested}] [NP a {nationality:MISC} {profession}]
           <when> [PP on] [NP charges] [PP of] [NP {crime}] .
        3: [NP {profession} <person> ] , [NP {age}] , [VP {denied_charges}] [NP charges]
           [PP of] [NP {crime}] [PP in] [NP a {city:LOC} court] .
        2: [NP {nationality:MISC} police] [VP {seized}] [NP {whole} {unit}] [PP of] [NP
           {contraband}] [PP in] [NP the city] [PP of] [NP {city:LOC}] .
        2: [NP prosecutors] <in_city> [VP said] [NP (PER {last} )] [VP had {stolen}] [NP
           {amount} million {money}] [PP from] [NP a {employer}] .
        1: ^ [NP {nationality:MISC} {profession}] [VP jailed] [PP for] [NP {crime}] .
    """,
    "conflict": """
        3: [NP {fighters}] [VP {attacked}] [NP a {target}] [PP near] [NP {town:LOC}] [PP
           in] [NP the {direction}] [PP of] [NP <country> ] <when> , [VP killing] [NP
           {casualties} {victims}] .
        3: [NP {nationality:MISC} troops] [VP {attacked}] [NP a {fighters_kind} {base}]
           [PP near] [NP {town:LOC}] <when> <tail>
        2: [NP a {weapon}] [VP exploded] <in_capital> <when> , [VP wounding] [NP
           {casualties} {nationality:MISC} {victims}] .
        2: [NP the {mission:ORG}] [VP sent] [NP {thousands} {peacekeepers}] [PP to] [NP
           the {direction}] [PP of] [NP <country> ] <when> .
        2: [NP {refugees}] [PP from] [NP {town:LOC}] [VP reached] [NP {capital:LOC}] ,
           [NP the {nationality:MISC} capital] , <when> .
        2: [NP a ceasefire] [VP held] [PP in] [NP {town:LOC}] [SBAR as] [NP {fighters}]
           and [NP {nationality:MISC} troops] [VP withdrew] .
        1: ^ [NP {fighters}] [VP kill] [NP {casualties} {nationality:MISC} {victims}] .
    """,
    # --- Everything else ------------------------------------------------------------
    "weather": """
        3: [NP {weather}] [VP is expected] <in_city> <day> , [PP with] [NP temperatures]
           [PP near] [NP {degrees} degrees] .
        2: [NP {weather}] [VP {delayed}] [NP {transport}] [PP in] [NP the {direction}]
           [PP of] [NP <country> ] <when> , <source> [VP said] .
        1: [NP {city:LOC}] [NP {degrees}] [NP {weather}]
        1: [NP {month}] [VP was] [NP the {warmest} month] [PP in] [NP the {direction}]
           [PP of] [NP <country> ] [PP since] [NP {past_year}] , [NP {nationality:MISC}
           forecasters] [VP said] .
    """,
    "culture": """
        3: [NP {nationality:MISC} {artist} <person> ] [VP {opened}] [NP a {quality}
           {artwork}] <when> <in_city_last>
        2: [NP the {artwork}] [PP by] [NP {artist} <person> ] [VP {won_prize}] [NP the
           {ordinal} prize] [PP at] [NP the {city:LOC} {festival}] .
        3: [NP scientists] <in_city> [VP have {discovered}] [NP a {scientific}
           {discovery}] , <source> [VP said] .
        2: [NP {visitors}] [PP to] [NP <country> ] [VP spent] [NP {amount} million
           {money}] [PP in] [NP {month}] , <source> [VP said] .
        1: [NP the {artist} <person> ] [VP died] <when> , [VP aged] [NP {old_age}] ,
           <in_city_last>
        2: [NP {artist} <person> ] [VP taught] [NP {science}] [PP for] [NP {number}
           years] <in_city_last>
    """,
    "dateline": """
        3: [NP {capital:LOC} {isodate}]
        1: [NP {city:LOC} {isodate}]
    """,
}
