"""The world of the built-in newswire: countries, companies and names.

Countries, their cities and currencies, and companies are real, so that it is known
what vectors should learn. People, towns and clubs are put together from parts.
Every list is ordered: frequency falls with the place in it. An underscore joins the
tokens of one name (`South_Africa`).
"""

from collections.abc import Mapping
from typing import NamedTuple

# country | capital | nationality | currency and its plural | culture | other cities.
# The larger a country's part in the news, the earlier it stands.
COUNTRIES = """
    Germany|Berlin|German|mark marks|german|Munich Hamburg Frankfurt Cologne
    France|Paris|French|franc francs|french|Marseille Lyon Nantes
    Italy|Rome|Italian|lira lire|italian|Milan Turin Genoa
    Britain|London|British|pound pounds|english|Manchester Liverpool Leeds
    United_States|Washington|American|dollar dollars|english|Chicago Boston Houston
    Spain|Madrid|Spanish|peseta pesetas|spanish|Barcelona Valencia Seville
    Russia|Moscow|Russian|rouble roubles|russian|Volgograd Grozny
    Japan|Tokyo|Japanese|yen yen|japanese|Osaka Nagoya
    China|Beijing|Chinese|yuan yuan|chinese|Shanghai Guangzhou
    Netherlands|Amsterdam|Dutch|guilder guilders|dutch|Rotterdam Eindhoven
    Australia|Canberra|Australian|dollar dollars|english|Sydney Melbourne Brisbane
    Sweden|Stockholm|Swedish|crown crowns|nordic|Gothenburg
    India|Delhi|Indian|rupee rupees|indian|Bombay Calcutta
    Switzerland|Bern|Swiss|franc francs|german|Zurich Geneva
    Belgium|Brussels|Belgian|franc francs|french|Antwerp
    Canada|Ottawa|Canadian|dollar dollars|english|Toronto Montreal Vancouver
    Brazil|Brasilia|Brazilian|-|portuguese|Recife Curitiba
    Pakistan|Islamabad|Pakistani|rupee rupees|pakistani|Karachi Lahore
    Poland|Warsaw|Polish|zloty zlotys|polish|Krakow Lodz
    Austria|Vienna|Austrian|schilling schillings|german|Salzburg Graz
    Finland|Helsinki|Finnish|markka markkas|finnish|Tampere
    Portugal|Lisbon|Portuguese|escudo escudos|portuguese|Porto
    Greece|Athens|Greek|drachma drachmas|greek|Thessaloniki
    Turkey|Ankara|Turkish|lira lire|turkish|Istanbul Izmir
    Norway|Oslo|Norwegian|crown crowns|nordic|Bergen
    Denmark|Copenhagen|Danish|crown crowns|nordic|Aarhus
    Ireland|Dublin|Irish|punt punts|english|Cork
    Hungary|Budapest|Hungarian|forint forints|hungarian|Debrecen
    Romania|Bucharest|Romanian|leu lei|romanian|Cluj
    Ukraine|Kiev|Ukrainian|-|russian|Odessa Donetsk
    Bulgaria|Sofia|Bulgarian|lev leva|russian|Plovdiv
    Croatia|Zagreb|Croatian|kuna kunas|croatian|Rijeka
    Egypt|Cairo|Egyptian|pound pounds|arabic|Alexandria
    Iran|Tehran|Iranian|rial rials|persian|Isfahan
    Iraq|Baghdad|Iraqi|dinar dinars|arabic|Basra
    Thailand|Bangkok|Thai|baht baht|thai|Phuket
    Indonesia|Jakarta|Indonesian|rupiah rupiah|indonesian|Surabaya
    Philippines|Manila|Philippine|-|spanish|Cebu
    South_Africa|Pretoria|South_African|rand rand|english|Johannesburg Durban
    New_Zealand|Wellington|New_Zealand|dollar dollars|english|Auckland Christchurch
    Zimbabwe|Harare|Zimbabwean|dollar dollars|african|Bulawayo
"""

WITH_ARTICLE = frozenset({"Netherlands", "Philippines", "United_States"})
MEASURES: Mapping[str, str] = {  # what a commodity is sold by, if not the tonne
    "oil": "barrel",
    "gold": "ounce",
    "silver": "ounce",
    "platinum": "ounce",
}

# Topic -> the countries it may be set in; a topic not named here may be set anywhere.
# `newswire` adds what follows from the tables: league, companies, currency.
TOPIC_COUNTRIES: Mapping[str, str] = {
    "cricket": """
        Australia India Pakistan South_Africa New_Zealand Zimbabwe
    """,
    "conflict": """
        Russia Turkey India Iraq Iran Egypt Indonesia Philippines Croatia
        Pakistan
    """,
}

# country | kind of company | companies
COMPANIES = """
    United_States|aircraft_maker|Boeing
    United_States|software_company|Microsoft
    United_States|electronics_group|Motorola
    United_States|computer_maker|Apple
    United_States|carmaker|Ford
    United_States|refiner|Chevron Amoco Texaco
    United_States|media_group|Disney Viacom
    Germany|carmaker|Volkswagen Porsche
    Germany|drugs_group|Bayer Hoechst
    Germany|electronics_group|Siemens
    Germany|airline|Lufthansa
    France|carmaker|Renault Peugeot
    France|telephone_company|Alcatel
    France|tyre_maker|Michelin
    Italy|carmaker|Fiat Ferrari
    Italy|textile_group|Benetton
    Italy|computer_maker|Olivetti
    Britain|bank|Barclays
    Britain|brewer|Guinness
    Britain|conglomerate|Hanson
    Britain|drugs_group|Zeneca
    Spain|refiner|Repsol
    Spain|airline|Iberia
    Netherlands|electronics_group|Philips
    Netherlands|brewer|Heineken
    Netherlands|food_group|Unilever
    Netherlands|bank|Rabobank
    Switzerland|food_group|Nestle
    Switzerland|drugs_group|Roche
    Switzerland|airline|Swissair
    Sweden|carmaker|Volvo
    Sweden|telephone_company|Ericsson
    Sweden|appliance_maker|Electrolux
    Finland|telephone_company|Nokia
    Japan|carmaker|Honda Toyota Nissan
    Japan|electronics_group|Toshiba Sony
    Japan|conglomerate|Mitsubishi
    Australia|telephone_company|Telstra
    Australia|airline|Qantas
    Canada|mining_group|Barrick
    South_Africa|mining_group|Gencor
    Brazil|refiner|Petrobras
    Russia|gas_company|Gazprom
    Russia|refiner|Lukoil
"""

# kind of company: what it sells, one/several
PRODUCTS: Mapping[str, str] = {
    "aircraft_maker": "jet/jets helicopter/helicopters seaplane/seaplanes",
    "airline": "ticket/tickets season_ticket/season_tickets",
    "appliance_maker": "refrigerator/refrigerators oven/ovens dishwasher/dishwashers",
    "bank": "loan/loans mortgage/mortgages credit_card/credit_cards",
    "brewer": "beer/beers lager/lagers stout/stouts",
    "carmaker": "car/cars engine/engines van/vans lorry/lorries sports_car/sports_cars",
    "computer_maker": "computer/computers printer/printers laptop/laptops",
    "conglomerate": "crane/cranes tractor/tractors turbine/turbines elevator/elevators",
    "drugs_group": "medicine/medicines vaccine/vaccines painkiller/painkillers",
    "electronics_group": "television/televisions camera/cameras chip/chips",
    "food_group": "biscuit/biscuits soup/soups pudding/puddings",
    "gas_company": "boiler/boilers heater/heaters",
    "media_group": "film/films magazine/magazines cartoon/cartoons",
    "mining_group": "ingot/ingots medal/medals",
    "refiner": "lubricant/lubricants fuel/fuels",
    "software_company": "program/programs game/games browser/browsers",
    "telephone_company": "telephone/telephones modem/modems pager/pagers",
    "textile_group": "sweater/sweaters shirt/shirts raincoat/raincoats",
    "tyre_maker": "tyre/tyres inner_tube/inner_tubes",
}


class Culture(NamedTuple):
    """What the names of a part of the world are made of.

    A family name is any stem with any ending; `ov/ova` is an ending with a form for
    men and one for women, and `-` is none. A town is any stem with any town ending.
    In a club, `*` is the city.
    """

    men: str
    women: str
    stems: str
    endings: str
    towns: str
    clubs: str


CULTURES: Mapping[str, Culture] = {
    "german": Culture(
        "Hans Klaus Dieter Stefan Uwe Helmut Matthias Rainer Holger Bernd Jochen",
        "Petra Heike Sabine Ulrike Monika Katrin Silke Birgit",
        "Acker Berg Brand Eich Linden Neu Ober Reich Stein Wald Zimmer Hart Kirch"
        " Lang Buch Holz",
        "mann er hofer bauer meier eler",
        "burg hausen dorf bach",
        "Fortuna_* Sporting_* Viktoria_* Concordia_*",
    ),
    "french": Culture(
        "Jean Pierre Luc Alain Yves Thierry Marcel Olivier Gilles Fabrice Didier",
        "Sylvie Nathalie Brigitte Amelie Claire Mireille Odile Sandrine",
        "Bel Char Dur Fav Gir Lam Mor Per Rous Ten Vill Bour Cler Mont Pel Gaud",
        "ard eau in ot ier et",
        "court ville igny ac",
        "Racing_* Stade_* Union_*",
    ),
    "italian": Culture(
        "Marco Paolo Luca Giorgio Stefano Andrea Roberto Dario Enzo Fabio Sandro",
        "Paola Chiara Lucia Elena Silvia Francesca Daniela Giulia",
        "Bert Cald Fabr Gall Mart Ross Sant Tard Vent Zan Bin Corr Mor Pell Ric Tom",
        "ini etti elli oni ucci ato",
        "asco ano etta olo",
        "Sporting_* Fortuna_* Aurora_*",
    ),
    "english": Culture(
        "John David Paul Steve Peter Andrew Gary Ian Brian Keith Neil Graham Colin",
        "Susan Helen Karen Janet Alison Julie Emma Rachel Carol Linda",
        "Ash Brad Cole Dal East Farn Hal Kirk Lang Mel Nor Pres Rad Sax Thorn Wal"
        " Whit Winter Har",
        "ton ley field man ford well by worth",
        "bury stead mouth wick",
        "*_Rovers *_Athletic *_Wanderers",
    ),
    "spanish": Culture(
        "Juan Carlos Jose Luis Miguel Sergio Javier Pablo Raul Jorge Alvaro Diego",
        "Maria Carmen Pilar Ines Lourdes Marta Beatriz Arantxa",
        "Alv Dom Fern Gom Henr Jim Lop Mart Ord Per Ram Sanch Vel Benit Iban Mend",
        "ez era ero ado ina oso",
        "ilejo illar ereda anza",
        "Deportivo_* Racing_* Union_*",
    ),
    "portuguese": Culture(
        "Joao Pedro Rui Tiago Nuno Vasco Helder Paulo Fernando Edson Romildo",
        "Ana Teresa Sonia Rita Fatima Isabel Luisa Marisa",
        "Alm Barr Card Ferr Gouv Mach Mour Nog Oliv Per Rib Silv Teix Coelh Pach Sal",
        "eira osa ado eido inho ares",
        "elos inha eiras osa",
        "Sporting_* Racing_*",
    ),
    "dutch": Culture(
        "Jan Piet Ruud Wim Dirk Marten Johan Kees Gerrit Hendrik Frits",
        "Annemarie Marijke Ellen Saskia Ingrid Tineke Femke Wilma",
        "Boer Dijk Hoek Kamp Meer Hof Veen Water Zand Brink Berk Haver Rijn Lind",
        "stra sma man huis kamp laar",
        "dam wijk zee veld",
        "Fortuna_* Sparta_*",
    ),
    "nordic": Culture(
        "Lars Erik Anders Magnus Thomas Henrik Ole Nils Jens Morten Per Sven",
        "Karin Astrid Ingeborg Kirsten Lena Anna Birgitta Solveig",
        "Lund Berg Strand Holm Dahl Lind Sten Eke Asp Gran Norr Soder Vester Hag Hed"
        " Nyl",
        "quist gren mark strom stad vik",
        "havn foss sund torp",
        "Viktoria_* Sparta_*",
    ),
    "finnish": Culture(
        "Jari Mika Timo Pekka Kari Juha Antti Seppo Olli Heikki",
        "Paivi Sari Tuula Kirsi Riitta Hanna Marja Satu",
        "Aal Hakk Jarv Kosk Lait Mak Niem Rant Saar Virt Lehm Kall Sorv Pelt",
        "inen ela onen ala anen",
        "joki niemi lahti salo",
        "Union_* Fortuna_*",
    ),
    "greek": Culture(
        "Giorgos Nikos Costas Yannis Dimitris Stavros Takis Spyros",
        "Eleni Katerina Ioanna Despina Vasiliki Irini",
        "Anton Dimit Georg Kar Kost Mich Nik Pap Stav Theod Vas Zaf Lamb Manol",
        "akis opoulos idis iadis atos ellis",
        "opoli ouri ista eika",
        "Union_* Aurora_*",
    ),
    "turkish": Culture(
        "Mehmet Ahmet Mustafa Hakan Orhan Cengiz Selim Yusuf",
        "Ayse Fatma Emine Sevgi Nilgun Zeynep",
        "Ak Bay Cel Dem Er Gul Kar Oz Sar Tas Yil Yurt Kor Gun",
        "oglu can doglu men soy turk",
        "koy hisar tepe pinar",
        "Sparta_* Racing_*",
    ),
    "polish": Culture(
        "Andrzej Piotr Marek Jacek Tomasz Krzysztof Leszek Zbigniew",
        "Ewa Agnieszka Barbara Dorota Joanna Malgorzata",
        "Adam Bor Dabr Gor Jan Kowal Lewand Maj Now Olsz Sikor Wis Zar Malin",
        "owski/owska ewicz czyk ak icki/icka",
        "owice owo anka iny",
        "Dynamo_* Sparta_*",
    ),
    "hungarian": Culture(
        "Laszlo Istvan Gabor Zoltan Ferenc Tibor Attila Sandor",
        "Ildiko Zsuzsa Erzsebet Katalin Agnes Judit",
        "Bal Csik Far Hal Kad Kov Mol Nem Szab Tak Var Zent Bod Ker",
        "as os ari eti acs o",
        "falva hely vasar szek",
        "Dynamo_* Viktoria_*",
    ),
    "romanian": Culture(
        "Ion Mihai Gheorghe Adrian Florin Dorin Radu Vasile",
        "Ioana Mihaela Simona Gabriela Doina Cristina",
        "Alb Bal Constantin Dobr Georg Ion Lup Mar Nicol Pop Radul Stan Vlad Ung",
        "escu eanu ache oiu aru",
        "esti eni oara ani",
        "Dynamo_* Aurora_*",
    ),
    "russian": Culture(
        "Sergei Alexander Vladimir Yuri Igor Andrei Viktor Oleg Nikolai Dmitry Boris",
        "Natalya Olga Svetlana Irina Tatyana Galina Lyudmila Larisa",
        "Bel Chern Dolg Fed Gol Kard Kuzn Leb Mor Nikit Orl Pav Rod Sok Tar Vor"
        " Zhur Step",
        "ov/ova enko in/ina sky/skaya ev/eva chuk",
        "grad ovka sk insk",
        "Dynamo_* Sparta_*",
    ),
    "croatian": Culture(
        "Ivan Zoran Davor Goran Ante Drazen Mladen Zvonimir",
        "Mirjana Vesna Snjezana Ljubica Jasna Branka",
        "Bab Dokl Fil Gal Hor Jur Kolar Mat Nov Perk Rad Tom Vuk Zor",
        "ic ovic ak anovic evic",
        "ovac ica ovo nik",
        "Dynamo_* Concordia_*",
    ),
    "arabic": Culture(
        "Ahmed Mohammed Hassan Omar Khaled Youssef Ibrahim Tariq Karim Nabil",
        "Fatima Leila Samira Nadia Huda Salma",
        "Abdel Al Ben Bou El Hag Mans Naj Rash Sal Tah Zak Far Jab",
        "ouri awi aoui ani iri hadi",
        "abad iya oun ra",
        "Union_* Racing_*",
    ),
    "persian": Culture(
        "Ali Reza Hossein Javad Mehdi Abbas Farhad Behzad",
        "Maryam Shirin Parvin Nasrin Zahra Mina",
        "Ahmad Ebrahim Farah Ghol Hash Jaf Karim Mohs Najaf Rafs Shar Tabr",
        "zadeh ian pour emi ani",
        "shahr deh rud abad",
        "Union_* Aurora_*",
    ),
    "japanese": Culture(
        "Hiroshi Takashi Kenji Kazuo Akira Makoto Shigeru Yasuo",
        "Yoko Keiko Naoko Michiko Ayumi Kimiko",
        "Aki Fuji Hase Ishi Kawa Matsu Naka Oka Saka Taka Ueno Waka Yama Kita",
        "moto gawa mura shima da no",
        "hama saki zawa oka",
        "*_Stars *_Rovers",
    ),
    "chinese": Culture(
        "Jianguo Wei Xiaoming Guoqiang Zhiyong Lijun Haibo Yong",
        "Xiaoli Meiling Yan Liping Hong Juan",
        "Chang Cheng Fang Gang Han Hong Jiang Kang Liang Meng Ning Peng Shang Song"
        " Tang Xiang",
        "-",
        "jiang shan zhou men",
        "*_Stars *_Athletic",
    ),
    "indian": Culture(
        "Rajesh Sanjay Anil Vijay Sunil Ravi Ashok Manoj",
        "Sunita Anjali Kavita Meena Rekha Shobha",
        "Agar Bhat Chand Desh Gup Kul Mah Nar Pat Ragh Sriv Ved Mukh Ban",
        "wal ani ra karni erjee astava",
        "pur nagar gaon garh",
        "*_Sporting *_Stars",
    ),
    "pakistani": Culture(
        "Imran Wasim Javed Tahir Aamir Shahid Saeed Nadeem",
        "Nusrat Shazia Rubina Saima Farzana Asma",
        "Akht Bukh Chaudh Dur Gil Has Iqb Kha Mal Nawa Qure Rahm Sidd Zam",
        "ar ari an iqui shi oor",
        "abad wala kot pura",
        "*_Stars *_Athletic",
    ),
    "thai": Culture(
        "Somchai Prasert Chai Surin Wichai Anan Niran Kasem",
        "Malee Suda Wanida Pornthip Ratana Siriporn",
        "Bun Chai Kit Man Pra Rat Sri Thong Wong Suw Nak Phan",
        "sombat porn wattana siri kul sri",
        "buri thani khon nakhon",
        "*_Stars *_Rovers",
    ),
    "indonesian": Culture(
        "Bambang Agus Budi Joko Slamet Hendro Adi Rudi",
        "Siti Dewi Sri Endang Tuti Yuni",
        "Had Har Kus Pran Sas Sud Sum Suk Sur War Wid Yud Mart Bud",
        "ono anto arto iman oyo awan",
        "karta wangi bumi gung",
        "Union_* Aurora_*",
    ),
    "african": Culture(
        "Joseph Daniel Samuel Emeka Kofi Chidi Tendai Wilson Moses",
        "Grace Esther Ngozi Wanjiru Rudo Mercy",
        "Ak Chi Eke Ki Kam Ma Mu Nde Ngu Oke Ogu Oti Wan Zim",
        "ambe eno gwe undu oma kwe",
        "angani oro ulu ari",
        "*_Stars *_Wanderers",
    ),
}
