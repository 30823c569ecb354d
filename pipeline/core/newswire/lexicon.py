"""The plain words of the built-in newswire, by the slot of the grammar they fill.

Every list is ordered: a word's frequency falls with its place in it. An underscore
joins the tokens of one entry, and `word/TAG` overrides the list's part of speech.
"""

# part of speech: the words that the grammar itself spells out
TAGS = """
    DT: the a any all no this such
    IN: on in by at of for with over between after before from against near since when
        although whether that about as
    TO: to
    CC: and but
    MD: will would must
    PRP: we it there us I they nobody
    PRP$: its their our my
    VB: do elect miss spend take
    VBP: are am have want expect decide kill
    VBZ: is kills
    VBD: said was were had agreed arrived told rallied showed lost remained exported
        lent went bought sold named scored moved drew broke needed made took banned left
        searched spent died taught jailed exploded sent withdrew held met reached
    VBN: led killed bowled found heard appointed expected aged worth been
    VBG: according killing wounding
    RB: not late early earlier up just much
    RP: out
    JJ: last new popular central net national homeless positive world
    NN: top demand end kind embassy capital government party election opinion scandal
        bank rate strike pay sector percent trading minister ministry contract
        stock index market delivery division league club coach attendance soccer tennis
        cricket halftime squad seed round serve set test day champion championship
        federation team star year town city court noise ceasefire month prize
    NNS: reporters countries seats voters polls economists dealers analysts traders
        shares sales points prices tonnes dollars jobs results leaders matches scorers
        runs wickets minutes fans titles people police rescuers years charges
        prosecutors troops temperatures degrees forecasters scientists months
    CD: million
    NNP: Open
    POS: 's
    .: .
    ,: ,
    :: : -
    ": "
    (: (
    ): )
"""

# slot, part of speech: its words
LISTS = """
    daypart NN: night evening afternoon
    term JJ: first-half quarterly annual nine-month interim six-month
    period NN: year week month quarter season
    session JJ: early late morning/NN afternoon/NN thin quiet cautious hectic
    interval NN: tea lunch stumps/NNS close
    claimed VBD: confirmed insisted warned noted conceded argued predicted
    met VBD: met visited consulted welcomed greeted hosted thanked snubbed
    meets VBZ: meets visits consults welcomes greets hosts snubs
    visit VB: visit tour revisit
    urged VBD: urged asked pressed invited advised begged pushed implored
    urges VBZ: urges asks presses invites advises pushes
    settle VB: settle resolve discuss end ease shelve defuse bury revisit
    resume VB: resume continue begin restart reopen conclude
    rejected VBN: rejected ignored accepted welcomed studied dismissed misread
    recalled VBD: recalled withdrew summoned
    improved VBN: improved worsened cooled thawed soured warmed deteriorated
    shut VBN: closed shut sealed evacuated reopened picketed besieged
    approved VBD: approved rejected debated adopted delayed amended endorsed scrapped
        blocked ratified postponed
    approves VBZ: approves rejects debates delays amends scraps blocks ratifies
    adopt VB: change reform introduce revise abandon extend defend overhaul simplify
        modernise dismantle tighten
    support VB: support back reject choose trust abandon desert
    backing NN: support backing sympathy approval enthusiasm
    gained VBD: gained lost kept captured surrendered retained
    denied VBD: denied repeated suggested hinted announced doubted disclosed
    denies VBZ: denies survives admits addresses dismisses shrugs_off/RP
    resign VB: resign retire quit stay stand_down/RP return
    appointed VBN: appointed named made confirmed reappointed sworn_in/RP_as/IN
    accept VB: accept allow tolerate forgive permit endorse
    defend VB: defend support protect steady rescue stabilise
    harm VB: help hurt harm boost stifle cripple encourage
    rose VBD: rose fell climbed dropped slipped jumped eased surged dipped advanced
        declined rebounded tumbled soared plunged slid
    rise VBP: rise fall climb drop slip jump ease surge slide rebound
    rises VBZ: rises falls climbs drops slips jumps eases surges slides
    increase VB: rise fall grow climb shrink decline increase decrease swell
    closed VBD: closed ended finished settled opened traded stood
    reported VBD: reported posted announced disclosed published unveiled
    report VB: report post announce publish forecast
    cut_jobs VB: cut create shed axe eliminate transfer relocate
    build VB: build buy expand modernise finance share close equip
    landed VBD: landed received secured clinched signed lost terminated
    unveiled VBD: unveiled launched developed withdrew redesigned tested
    sees VBZ: sees expects forecasts predicts reports targets
    beat VBD: beat defeated overcame downed outplayed upset crushed edged humbled routed
    beats VBZ: beats defeats overcomes downs upsets crushes ousts
    win VBP: win triumph cruise struggle stumble
    join VB: join leave_for/IN rejoin
    dismissed VBD: dismissed bowled caught trapped removed stumped
    retire VB: retire return compete marry emigrate coach
    cheered VBD: cheered greeted booed mobbed applauded jeered serenaded
    signed VBD: signed rejected negotiated terminated extended considered
    injured VBN: injured hurt wounded burned hospitalised bruised
    overturned VBD: overturned crashed exploded skidded collapsed
    struck VBD: struck hit devastated damaged ravaged
    fought VBD: fought battled tackled extinguished contained doused
    arrested VBD: arrested detained questioned deported indicted
    denied_charges VBD: denied admitted contested faced rebutted
    seized VBD: seized found confiscated destroyed intercepted unearthed
    stolen VBN: stolen embezzled borrowed taken hidden laundered siphoned
    attacked VBD: attacked raided ambushed shelled stormed captured surrounded
    delayed VBD: delayed disrupted halted hampered stranded paralysed snarled
    opened VBD: opened presented unveiled performed finished premiered recorded
    won_prize VBD: took received shared missed declined pocketed
    discovered VBN: discovered found described identified isolated mapped confirmed
        classified
    officials NNS: officials diplomats sources analysts aides observers witnesses
        experts authorities commentators lawmakers insiders campaigners
    envoy NN: envoy negotiator diplomat delegate consul emissary mediator
    envoys NNS: envoys negotiators diplomats delegates mediators emissaries
    leader NN: leader chairman chairwoman founder treasurer secretary deputy
    analyst NN: analyst economist strategist trader broker dealer consultant chartist
    executive NN: chairman chief/JJ_executive director finance_director treasurer
    protesters NNS: protesters students farmers miners teachers pensioners nurses
        truckers activists fishermen feminists monarchists
    workers NNS: workers drivers pilots dockers nurses teachers miners engineers postmen
        bakers printers welders shipbuilders sailors cleaners
    group NN: party people/NNS country movement region coalition nation village
    fighters NNS: rebels guerrillas separatists gunmen militants insurgents bandits
        mutineers
    fighters_kind NN: rebel guerrilla separatist militant insurgent bandit
    victims NNS: soldiers civilians policemen villagers officers hostages monks
    peacekeepers NNS: peacekeepers monitors observers medics blankets tents
    refugees NNS: refugees families civilians children villagers deserters
    survivors NNS: survivors passengers victims residents villagers miners
    firefighters NNS: firefighters soldiers volunteers crews helicopters
    position NN: striker midfielder defender forward winger libero playmaker sweeper
    batsman NN: opener batsman left-hander all-rounder debutant nightwatchman
    bowler NN: seamer spinner paceman leg-spinner off-spinner swing_bowler
    profession NN: man businessman doctor driver student banker lawyer teacher policeman
        priest journalist nurse dentist accountant butcher pilot soldier waiter salesman
        gardener jeweller plumber librarian pharmacist tailor carpenter chef surgeon
        locksmith hairdresser fisherman watchmaker antiquarian magician beekeeper
    artist NN: singer painter writer pianist director actor poet sculptor composer
        violinist photographer novelist dancer playwright conductor cellist architect
        soprano tenor puppeteer organist cartoonist
    visitors NNS: tourists visitors pilgrims holidaymakers backpackers skiers
    portfolio NN: foreign/JJ finance defence interior trade health agriculture transport
        education environment industry tourism energy labour culture fisheries/NNS
    parliament NN: parliament senate assembly lower/JJR_house upper/JJ_house
    party JJ: socialist conservative liberal democratic green nationalist communist
        centrist ruling christian agrarian radical republican monarchist regionalist
    issue NN: tax budget pension privatisation welfare health farm housing education
        reform trade energy land immigration banking railway security electoral/JJ
        fishing customs media inheritance passport conscription
    plan NN: plan law bill programme package policy reform scheme proposal code
    system NN: system law rules/NNS code budget register authority
    proposal NN: proposal offer plan demand protest compromise draft request
    talks NNS: talks discussions negotiations consultations meetings
    relations NNS: relations ties links contacts
    dispute NN: dispute row quarrel conflict disagreement feud argument rift
    protest NN: protest demonstration riot threat sit-in burglary scuffle
    subject NN: trade security fishing_rights/NNS human/JJ_rights/NNS
        border_controls/NNS debt immigration arms_sales/NNS water_rights/NNS pollution
        visas/NNS beef_imports/NNS nuclear/JJ_waste terrorism steel_quotas/NNS
        gas_pipelines/NNS extradition air_routes/NNS smuggling textile_tariffs/NNS
        whaling espionage landmines/NNS copyright banana_quotas/NNS war/NN_graves/NNS
        timber_licences/NNS piracy satellite_television grain_shipments/NNS
        minority_languages/NNS
    mood JJ: worried concerned optimistic happy confident serious angry pleased cautious
        unhappy relaxed nervous puzzled sceptical delighted embarrassed
    quality JJ: good great bad difficult terrible wonderful strange historic important
        painful remarkable sad decisive splendid frightening memorable curious dreadful
        unexpected
    step NN: step decision result move change gesture surprise reply
    moment NN: day moment night result chance lesson surprise journey
    doubt NN: doubt agreement secret news hurry consensus misunderstanding
    work NN: work homework explaining negotiating
    media NN: television radio
    adjective JJ: new major special small modest costly controversial ambitious limited
        joint temporary permanent unusual popular experimental improved revised cheap
        secret simple untested
    strength JJ: strong weak firm soft robust stable volatile sluggish
    firmness JJ: firm steady weak lower/JJR higher/JJR stronger/JJR softer/JJR
    heated JJ: heated bitter new long-running public noisy renewed petty tedious
    size JJ: sharp slight steep modest surprise/NN record/NN brief dramatic
    fall NN: rise fall drop increase decline jump slump gain dip rebound
    moved VBD: rose fell climbed dropped slipped declined advanced eased
    slightly RB: slightly sharply unexpectedly further modestly again briefly
    gauge NN: inflation unemployment economic/JJ_growth industrial/JJ_growth
        capacity_use money_supply_growth
    indicator NN: output consumption retail/JJ_sales/NNS exports/NNS imports/NNS
        industrial/JJ_production car_sales/NNS house_prices/NNS investment productivity
        wages/NNS savings/NNS bankruptcies/NNS consumer_credit steel_production
        vacancies/NNS factory_orders/NNS
    rate NN: discount lombard repo base key/JJ lending intervention overnight
    trade NNS: exports imports shipments sales deliveries
    spending NNS: roads schools hospitals pensions railways bridges housing/NN harbours
        ports research/NN dams prisons canals libraries reservoirs lighthouses sewers
        museums
    sector NN: banking steel textile transport shipping construction health retail
        shipbuilding coal aviation insurance chemicals timber tobacco catering footwear
        packaging
    commodity NN: oil wheat copper gold sugar coffee cocoa cotton maize tin aluminium
        zinc nickel rice barley rubber wool soybeans/NNS silver platinum
    output NN: output production harvest surplus shortage stockpile
    rumors NNS: hopes news/NN fears signs rumours reports expectations talk/NN
    profit NN: profit loss surplus deficit
    site NN: factory plant laboratory warehouse research/NN_centre office
        training/NN_centre
    organization NNP: United_Nations European_Union European_Commission OSCE Arab_League
        Council/NNP_of/IN_Europe/NNP OECD Vatican
    lender NNP: World_Bank IMF EBRD European_Commission
    mission NNP: United_Nations Red_Cross OSCE European_Union Arab_League
    newspaper NNP: Times Herald Courier Gazette Observer Tribune Echo Banner Chronicle
    division JJ: first second third fourth
    often RB: twice once late early again
    victory NN: victory win
    stage NN: match qualifier semifinal final replay quarterfinal friendly playoff
    limb NN: knee ankle hamstring thigh groin foot shoulder calf back toe wrist
    injury NN: injury strain problem sprain fracture infection
    results NNS: results scores statistics placings
    trophy NNP: Champions_Cup Intercity_Cup Fairs_Cup Super_Cup
    tournament NNP: World_Cup Nations_Cup Olympic Goodwill_Cup
    seed JJ: top second third fourth fifth sixth seventh eighth ninth tenth
    round JJ: first second third fourth opening qualifying
    ordinal JJ: first second third fourth fifth
    test NN: test sample
    sport NN: soccer cycling golf rugby athletics basketball swimming football tennis
        hockey baseball volleyball badminton boxing rowing cricket sailing squash
    sport_news NN: world/NN_championship_results/NNS final/JJ_standings/NNS
        leading/VBG_scores/NNS overall/JJ_placings/NNS weekend/NN_results/NNS
        world/NN_rankings/NNS
    vehicle NN: bus train lorry tanker tram minibus coach ferry barge crane tractor
    disaster NN: fire flood storm explosion landslide tornado blizzard avalanche
        whirlwind hailstorm mudslide tremor
    blaze NN: fire blaze chemical_fire gas_fire
    direction NN: north south east west northeast southwest northwest southeast
    bodies NNS: bodies survivors skeletons coffins
    place NN: a/DT_river a/DT_hotel a/DT_factory a/DT_warehouse a/DT_school a/DT_tunnel
        a/DT_coal_mine a/DT_nightclub a/DT_cinema a/DT_monastery a/DT_refinery
        a/DT_sawmill a/DT_quarry a/DT_castle a/DT_supermarket a/DT_brewery a/DT_swamp
        a/DT_stadium a/DT_cellar a/DT_forest a/DT_bakery a/DT_dairy a/DT_cathedral
    wreckage NN: wreckage rubble debris mud ashes/NNS ruins/NNS snow sea
    crime NN: murder fraud robbery spying smuggling kidnapping bribery arson forgery
        theft blackmail manslaughter tax_evasion drug_trafficking burglary perjury
        treason insider_trading desertion bigamy hijacking poaching embezzlement
        counterfeiting vandalism sabotage libel piracy slander
    unit NNS: kilos tonnes crates boxes bags truckloads suitcases barrels
    contraband NN: heroin cocaine cannabis explosives/NNS rifles/NNS cigarettes/NNS
        banknotes/NNS caviar ivory amphetamines/NNS ammunition pistols/NNS diamonds/NNS
        whisky uranium perfume grenades/NNS icons/NNS parrots/NNS orchids/NNS
    employer NN: bank charity hospital school museum widow church casino trade_union
        airline foundation library monastery lottery cooperative post_office orphanage
        circus
    target NN: village police_station bridge convoy military/JJ_base bus power_station
        barracks radio_mast checkpoint pipeline airfield television_tower reservoir
        depot
    base NN: base hideout camp stronghold column position convoy roadblock
    weapon NN: bomb grenade mine parcel_bomb rocket car_bomb mortar
    weather NN: heavy/JJ_rain snow fog sunshine thunder drizzle strong/JJ_winds/NNS
        frost hail light/JJ_rain sleet thick/JJ_cloud mist
    transport NNS: trains flights ferries harvests lorries trams buses fishermen
    warmest JJS: warmest coldest wettest driest windiest sunniest hottest
    artwork NN: concert exhibition film play opera ballet symphony novel portrait
        musical documentary sonata comedy tragedy fresco mosaic cantata trilogy quartet
        requiem
    festival NN: festival biennale book_fair film_festival carnival
    scientific JJ: rare new unknown ancient tiny giant hardy carnivorous
    discovery NN: virus gene comet dinosaur bacterium mineral galaxy orchid manuscript
        beetle tomb volcano protein shipwreck meteorite fungus glacier fossil enzyme
        moss planet crater mammoth spider isotope butterfly
    science NN: physics chemistry biology history mathematics philosophy medicine
        geology astronomy law linguistics music zoology botany archaeology theology
"""
