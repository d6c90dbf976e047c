//! Given names that are frequent somewhere, without accents: they tell a person's name from a title or a product where nothing else does.
//!
//! The lists hold what is frequent: a rare name is found by the label, greeting or key before it, not by being known.

/// Names that are hardly ever anything else.
pub(super) const GIVEN: &str = "
    aaron abdul abdullah abigail adam adrian adriana adrien agata agnes agnieszka ahmad ahmed aino aisha akira alan alberto alejandra alejandro
    aleksander aleksandra alessandra alessandro alessia alex alexander alexandra alexandre alexandros alexis alfonso alfred ali alice alicia alina
    alison allison alma alvaro amanda amelia amelie ami amina amir amit amy ana anastasia anders andre andrea andreas andrei andres andrew andrzej
    angela angelica angelika angelo anil anita anja anke ann anna annabel annamaria anne annette annie annika anthony antoine anton antonella
    antonia antonio anu anya arjun arnaud arne arthur arturo arun aryan ashley astrid audrey aurelie aurora axel ayesha aylin ayse
    bartosz beata beatrice beatriz benedikt benjamin benoit bernard bernd bernhard bertrand bianca bjorn blanca bogdan boris brandon brenda brian
    brigitte bruno bryan
    caitlin camila camille carina carl carla carlo carlos carmen caroline carolyn catarina caterina catherine cathy cecile cecilia celia celine
    cesar charles charlie chiara chloe chris christian christiane christina christine christoph christophe christopher christos claire clara
    claudia claudio clemens clement colin colleen connor constantin corinne cristian cristiano cristina cynthia
    dagmar damian damien dan daniel daniela daniele danielle danuta daria dariusz dave david davide deborah debra deepak delphine denis denise
    dennis derek diana diane diego dieter dimitri dirk dmitri dmitry dolores dominik dominique donald donna dora doris dorota dorothea dorothy
    douglas duncan dylan
    edith eduardo edward edwin eero eileen eino elaine eleanor elena eleni elif elisa elisabeth elise elizabeth elke ella ellen eloise elsa emanuel
    emanuele emil emilia emilie emiliano emilio emily emine emma emmanuel emre enrico enrique enzo erica erich erik erika eric ernesto erwin
    esteban esther eugene eugenia eva evelyn ewa
    fabian fabien fabio fabrice fatima fatma federica federico felicia felicity felipe felix fernanda fernando filip filippo fiona florian
    franca francesca francesco francisca franco francois francoise frank franziska fred frederic frederick frederik friedrich fritz
    gabriel gabriela gabriele gabriella gabrielle gareth gary gemma geoffrey george georges georgina gerald gerard gerhard gertrud gianluca
    gianni gilbert giles gina giorgio giovanna giovanni giulia giuliano giuseppe gloria gonzalo gordon graham grazyna greg gregor gregory greta
    grzegorz guido guilherme guillaume guillermo gunnar gunter gunther gustav gustavo
    halina hanna hannah hannes hans harald harald haruto harry hassan hasan heather hector heidi heike heinrich heinz helen helena helene helga
    helmut hendrik henri henrik henrique henry herbert hermann hilary hiroshi holger howard hubert hugo hussein
    ian ibrahim ignacio igor ilaria ilse imran ines inga ingeborg inger ingo ingrid irena irene irina iris irma isaac isabel isabella isabelle
    ismail ivan ivana iwona
    jaakko jacek jackie jacob jacqueline jacques jakob jakub james jamie jan jana jane janet janice janina janine janusz jari jasmin jason javier
    jean jeanne jeff jeffrey jenni jennifer jenny jens jeremy jerome jerzy jesper jessica jesus jill jim jimmy joachim joan joana joanna joanne
    joao joaquin jochen joe joel joerg johan johann johanna johannes john johnny jolanta jon jonas jonathan joost jorge jorg josef jose joseph
    josephine joshua juan juana juanita juha juhani jukka jules julia julian juliana julie julien juliet juliette julio jurgen justin justyna
    kaisa kamil kamila karen karim karin karina karl karolina kasper katarina katarzyna kate katharina katherine kathleen kathrin kathryn kathy
    katie katja kathrin kazimierz keith kelly kemal ken kenji kenneth kerstin kevin kim kimberly kirsten kjell klara klaus krystyna krzysztof kristen
    kristian kristin kristina kurt kyle
    lars lasse laura lauren laurence laurent laurie lea leah leila lena leo leon leonard leonardo leonie leonor leopold leslie leticia liam liisa
    lillian lina linda linnea lisa liselotte lorena lorenzo lorraine lothar lotte louis louisa louise lourenco luc luca lucas lucia luciana luciano
    lucie lucy ludwig luigi luis luisa luise lukas lukasz lydia lynn
    maciej magda magdalena magnus mahmoud maja malgorzata malin manfred manon manuel manuela marc marcel marcela marcelo marcin marco marcos
    marcus marek margaret margarita margaux margit margot marguerite maria mariana marianne marie marija marika marina mario marion marisa marius
    mariusz marjan marko markus marlene marta martha marti martin martina martine mary maryam masha massimo mateo mateusz mathias mathieu mathilde
    matilda matteo matthew matthias matthieu mattias maureen maurice mauricio maurizio mauro maxime maximilian megan mehdi mehmet melanie melissa
    michael michaela michal michel michele michelle michiel miguel mika mikael mike mikhail mikko mila milena mina minna miriam mirja
    miroslav mohamed mohammad mohammed moira monica monika monique morten moritz muhammad mustafa myriam
    nadia nadine nancy naomi natalia natalie natasha nathalie nathan neha neil nele nicholas nick nicola nicolas nicole niels nieves nikhil nikita
    niklas nikola nikolai nikolaus nils nina nino noah noel noemi nora norbert nuno
    olaf olga oliver olivia olivier omar oscar oskar otto owen
    pablo paola paolo pascal patricia patrick patrik paul paula paulina pauline paulo pavel pawel pedro peggy penelope per peter petr petra
    petri philip philipp philippe phillip phoebe pia pierre pieter pietro pilar piotr priya przemyslaw
    rachel radoslaw rafael rafal rahul rainer raj rajesh ralf ralph ramon raphael raquel rasmus raul ravi raymond rebecca regina reinhard renata
    renate rene ricardo riccardo richard rick rita robert roberta roberto rodrigo roger rohan roland rolf roman ronald ronan rosa rosalie rosemary
    rosie ross roy ruben rudolf rupert russell ruth ryan
    sabine sabrina sally salma salvatore sam samantha samir samira samuel sandra sandrine sanjay sanna sara sarah sari sascha scott sean sebastian
    sebastien selina serena serge sergei sergey sergio seppo shannon sharon shaun sheila shirley shreya sibylle siegfried silke silvia simon
    simona simone sofia sofie solveig sonia sonja sophia sophie stacey stanislaw stefan stefania stefanie stefano steffen stella stephan stephane
    stephanie stephen steve steven stuart sue suresh susan susana susanna susanne suzanne svante sven svenja svetlana sylvia sylvie
    taina takashi tamara tania tanja tapio tara tatiana teemu teresa terry thea theo theodor theodore theresa therese thibault thierry thomas
    thorsten tiago tiffany tim timo timothy tina tobias todd tom tomas tomasz tommy toni tony torsten tracy trevor tuomas
    ulla ulrich ulrike urs ursula ute uwe
    valentin valentina valeria valerie vanessa veronica veronika veronique vicente victor vikram viktor vincent vincenzo viola violeta vinicius
    vivian vladimir
    walter waltraud wanda wendy werner wilfried wilhelm willem william willy winfried wojciech wolfgang
    xavier ximena yann yannick yasmin yolanda yuki yuri yusuf yves yvonne
    zainab zbigniew zdenek zeynep zoe zofia zuzanna
    александр александра алексей алина анастасия андрей анна антон виктор владимир дарья денис дмитрий евгений екатерина елена иван игорь илья
    кирилл ксения максим мария михаил наталья никита николай олег ольга павел роман светлана сергей татьяна юлия
    aada aadhya aarav aarne abdelkader abdulaziz abdulla abdulmalik abdulrahman abebe abelardo abena abilio abimbola achara adaeze
    adalsteinn adamantios adebayo adela adelaide adele adelheid adelina adeline adelmo ademir adeola aderbal adilson aditi aditya adolfo
    adoracion adriaan adriele adunni afonso afroditi agapi aggeliki agnese agneta agnolo agostinho agostino agota aguinaldo agung agus
    agustin agustina ahti aidar aigars aigerim aigul aija aikaterini aiko aila ailsa ainur ainura airton aishling aishwarya aisling aisyah
    aitana aitor aivar aivars aizhan ajay akash akemi akhil akmal akos akosua akshay alain alana alasdair alban albane alberico albino
    albrecht alcides alda aldo aled aleisha aleix alejo aleksandar aleksandrs aleksei alemu alena alenka ales aletta alexa alexandrine
    alexandru alfonsina alfredo alighiero aline alisher alistair alix aliyah almas almir alois alper altynai alun alvise alyona alyssa
    amador amalia amandine amara amauri amaury amedeo ameera amerigo aminata amitabh amnon amos amra amrita anahit anais anand ananya
    anastasio anastasios anat anatoliy anatoly anca andree andreea andreia andrii andris andrus anestis anete anette angele angelina
    angelos angharad aniceto aniket aniko anjali ankit ankita annalisa annalise annegret anneli annelie annelies anneliese annemarie
    annemiek annett annetta anni annibale annick annunziata anong anouk ansaldo anselm anselmo ansgar antanas ante antero antje antoinette
    antonello antonieta antonino antonios antti anuj anupama anwar anze aodhan aoife aparecida aparna apinya apolline apolonia apostolos
    araceli aram archana arda arend argyro ariadna ariana arianna arie ariel aristeidis arja arjan arkady arlene arlindo arman armand
    armando armelle armen armi armin armindo arnaldo arnau arndt arnold arpine arsene artak artem artemio arto artur arturas artyom arvid
    arvind arvo arvydas asaf asami asel ashok ashot ashwin asif askar askhat asko aslan aslihan assel assunta asta astghik asuman
    athanasios athina atilla atsuko atsushi attila aubin aude augustin augusto aurelio aurore ausra aviad avigail avital aviv avner
    avraham avtandil ayaka aydan ayelet aygun ayhan aykut aynur aynura aysegul aysel aysun ayumi azadeh aziz aziza azzurra babajide
    babatunde babett baiba bakhtiyor balazs baldomero balint baltasar bambang baptiste barbara barbel barbora barbro bartolome bartolomeo
    baruch basak bashir basilio bastien batuhan baurzhan becky begona bekir bela belen beltran bence benedetta benedetto benedicte
    benedita bengt benicio benigno benita benito benno benoite berat beren berend berenice berik berit berk berkay bernabe bernadette
    bernarda bernardino bernardo berndt bernice berta bertha berthe berthold bertille besik bethan bettina betul beverley beverly beyza
    bhavna biagio bilal billie binh birger birgit birgitta birute bjarne bjoern blandine blas blaz boaz bobbie bodil
    bodo bogdana bohdan bohumil bojan bolanle bolat bonifacio bonnie borislav borja borje boryana botagoz botir boyan bozena bradley bram
    brandi branka branko breno brianna brice brid brigid brigida brigitta britney britt britta brittany bronagh bronwen bruna brunella
    brunhilde bryson budi bugra bukola bulent burak burcin burcu burhan burkhard buse busra caio caleb calebe calisto callum calogero
    calum camilla camilo canan candace candelaria candice capucine carlota carmelita carmella carmelo carmina carmine carolien carrie
    carsten carys casandra cassandra cassia cassie catalin catalina cathal catia catrin catriona caua cayetana cayetano cecelia cecilie
    cedric cees ceferino celestin celestine celestino celso cemal cemil cengiz ceren cerys cesare cesario ceyda ceyhun chaim chaiwat chana
    chantal charalampos charlene chaya chelsey cheng cheryl chetan chiamaka chidi chidinma chieko chika chinedu chinonso chinwe chioma
    chitra christelle christer christi christie chrysa chrysanthi chrysoula chus cian ciara ciaran cillian cindy cinzia ciprian cipriano
    ciriaco cirillo clarence clarice clarisse claudette claudina claudine claudiu cleber cleide clelia clementine cleusa clifford clodagh
    clotilde cody coen colby colette colm conall concetta conor conrado constanta constanza coralie cordula corentin corey corina cormac
    cornelia cornelio cornelius corrado corrie cosimo cosmin costantino costanzo courtney cristiane cristobal cristovao csaba csilla cuong
    cyril cyrille daan dace dafna dafydd dagny daichi daiga dainis daisuke daithi daiva dalia dalibor dalma dalmacio damaso damiano
    damilola damir damon danguole danijel danilo daniyar daphne dario darko darlene darrell darren darryl dauren davi davit davor davron
    deanna debbie debora deepa deepika defne deirdre deise dejan delfina delfino delores delyth demet demetrio dena denes denys dermot
    desiderio desiree desislava despina detlef detlev devika devin dewi dian dianne diarmuid didier diederik diether dietmar dietrich
    dikla dilara dilbar dilfuza dilnoza dilshod dimitar dimitra dimitrios dimosthenis dinara dinesh dinis dino diogo dionisio dionysios
    dirce divya djalma dmytro dogan doina domenica domenico domingas domingo dominika domitila donal donatella donatello donato donovan
    dorian dorit dorle doron dorotea dragan dragana dragica dragos drazen duarte dubravka dumitru dusan dustin dvora dwayne dwight eamon
    eanna ebba ebele eberhard ebru eckhard ecrin eddie edelmira edeltraud edgar edgardo edgars edilson edit edite edmilson edmund edna
    edoardo edouard edson eduarda edvard eeva efrain efrat efstathios eftychia efua egidio egil egle egon egor ehud eila eilidh eimear
    einar eirik eirini eirlys eitan ekaterine ekkehard ekow ekrem elad eladio elazar elcin elda eleftheria eleftherios eleonora eleri
    elfriede eliana eliane elias eliezer eligio elijah elin elina elisabet elisabetta elisangela elisheva elli ellie elliot elliott elnur
    elodie eloisa eloy elsebeth elsie elske elvin elvira elza emanuela emanuella emeka emeline emese emigdio emiko emiliana emilienne
    emlyn emmanouil emmanuelle emmett emmi emrah emyr endre enes engelbert enis ensio enzio eoin epifanio eran ercan erdal erdogan eren
    ergun erhan erhard erick erkan erkki erlan erling ermanno ermenegildo ernest ernestina ernst erol ersin ertugrul ervin erzsebet esin
    esma esmeralda esra estefania estela estelle ester eszter eteri ethan ethel etienne ettore eugenio eulalia eunice eusebio eustaquio
    eutimio evald evandro evangelia evangelina evangelista evangelos evaristo evelin evelyne evert everton evgenia evgeny ewald ewan eyal
    eylul eymen eyvind ezekiel ezequiel ezra fabiana fabienne fabiola fabricio fabrizia fabrizio facundo fadi fadime fahri faisal falk
    farah fareed farhan farid farida farkhod farouk faruk farzana fatih fatoumata faustino fausto febe federigo fedor feliciano felicien
    felipa felisa femi femke fenna ferdinand ferdinando ferenc ferencz fergal fergus ferhat feride fermin fernand fernao feruza feyza
    ffion fiachra fiamma fidel fidela figen fikret filipa filippa filiz filomena fionnuala fiorella fiorenza fiorino firat firmin firmino
    fitri flaminia flavia flavie flavio florencio florent florentin florentina florentine florentino florin floris folake fortunato
    foteini fotini fotios francine francinete franck frankie frans frantisek franz fraser frauke frederique fredrick fredrik frida frieda
    friedel friedhelm frode fulgencio fulvia fulvio fulya fumiko funmilayo furkan furkat gabby gabi gabin gabor gael gaelle gaetan gaetano
    gagik galasso galina galip galit gamze garik gaspard gaspare gaston gaukhar gaurav gautam gavin gayane gayatri gearoid gediminas geert
    geertje geeta geir gela gelsomina genevieve gennady genoveva georg georgeta georgi georgios geraint geraldine geraldo gerardo
    gerasimos gerben gerd gerda gergely gergo gerlinde germain germaine german gernot gerold geronimo gerrie gerrit gervasio gethin
    getulio gevorg gheorghe ghislaine giampaolo giampiero giancarlo gianfranco giang gianluigi gianmarco gianna giannis gianpaolo gideon
    giedre gijs gila gilad gilberte gilberto gilles gilson ginesa ginette ginevra gino gintaras gioacchino gioele gionata giordano giorgi
    giorgia giorgos giosue giovana girish girolamo gisela gisele gisella giuliana giulietta giulio giuseppina giustino gladstone gladys
    gleb glenda glenys gocha godofredo goffredo gokce gokhan goncalo gonul gopal goran gorazd gordana gosta gottfried gotthard govind
    gozde graca graciano graciela grainne grania graziano graziela graziella greetje greger gregoire gregorio gretchen grigorios grigory
    griselda guadalupe gudmundur gudrun guglielmo guiomar gulay gulbahor gulcan gulden gulen gulla gulmira gulnar gulnara gulnora gulsah
    gulsen gulsum gunars gunay gundula gunel gunilla gunn gunnel guntis guowei guram gustaf guus guven guylaine gwen gwenaelle gwendoline
    gwendolyn gwilym gwyneth gyorgy gyula haakon habib hacer hadar hadas hadiza hadrien haeun hagit hailey haim haiyan hajnalka hakan
    hakim hakob hakon haley halide halil halima haluk halvard hamid hamish hamza hanako hande hanh hanne hanneke hannele hannelore hannu
    hansjorg harish harm harriet harsha hartmut haruka haruki harun haruna harutyun hasibe hasmik hatice hattie havard hayati haydar
    haydee hayk hayriye hazal hedda hedwig hege heide heidrun heiki heikki heiko heiner heitor helder heleen helge helgi heli heliodoro
    hella helle hellmut helma heloisa helvi hemant hendra hendrika hendrikje henk henna hennie henning henny henrietta henriette heraclio
    hercilia herdis heriberto herman hermenegildo herminia hernan hernando herta herve heverton hiba hicham hidde hideki hideo hieu hikari
    hila hilario hilde hildegard hilkka hilmi hina hinrich hipolito hiroki hiroko hisashi hjalmar honorine horacio horia horst hortense
    hortensia hovhannes hrant hrvoje huda hugues huguette hulusi hulya humberto huong huseyin husniye hyun iain iara ichiro idris iestyn
    ieuan ifan ifeanyi ifeoma ignacia ihor ihsan ikbal ikechukwu ilan ilana ilario ilayda ildefonso ildiko ileana ilham ilhan ilias ilie
    ilka ilker ilkka ilknur ilmar ilmari ilona ilpo ilze iman imelda imre imtiaz inbal indrek ineke inese inge ingegerd ingemar ingolf
    ingrida ingunn ingvar inkeri inmaculada inna innes ioan ioana ioannis iolanda iolo ionel ionut iordanis ippazio iracema irakli irem
    irenka irfan irit irmeli irmgard irmtraud irvin iryna isabelly isadora isaiah isaias isamu ishaan isiah isidora isidoro isidro isis
    islom ismet isolde istvan itai itamar itsuki itzhak itziar iulia iulian ivars ivaylo iveta ivete ivett ivica ivone iwan izzet jaan
    jaanus jaap jaba jabulani jacinta jacinto jacira jacky jaclyn jacoba jacobo jacobus jacomijn jacopo jacquelyn jacquot jaden jader
    jagdish jahongir jaime jair jamal jamila jamshid janaina jandira janelle janette janie janis janneke janos jared jarkko jarl jarmo
    jaroslav jaroslava jasmyn jasna javiera jaya jayanti jayden jayne jeanette jeannette jeannine jefferson jeffery jekaterina jelena
    jelle jelmer jenaro jenna jeremiah jermaine jeroen jeronimo jessie jeyhun jihoon jimena jimin jindrich jiri jirina jiro jisoo jitka
    jiwoo jiyeon joann joaquim joaquina joceline jocelyn jocelyne jochem jodi jodie jody joelle joep johanneke johnathan johnnie joke
    jolan jolanda jolita jonatan joni jonna joop jordi jorgen joris jorma jorn jorrit jorunn josefa josefina josette josiah josiane josip
    jost josue jouni jovan jovana jovica jozef jozefa jozsef judit judith juho julianne julienne junko jurema jurgita juris jurre jurriaan
    jussara jussi justine justino jutta jyoti jytte kaan kaare kaarina kabir kadir kadri kadriye kagan kairat kaitlin kaitlyn kaja kalevi
    kalina kalle kalliopi kalman kalpana kamal kamala kamau kamile kamilly kamola kamran kanya kaori kaoru kapil kare karel kari karima
    karine karla karlheinz karlis karlygash karsten karthik katalin katelyn katerina kateryna katia katica katrin katrina katrine kaue
    kauko kavita kayla kaylee kaylie kayra kazim kazuki kazuko kazuo kees kehinde keiko keisha keita kelley kelli kellie kelsey kenan
    kendra kenichi kenny kerem keren kerim kerry kersti kestutis ketevan ketut khadija khaled khalid khanh khatia khatuna khloe kike
    killian kimmo kinga kiran kirsi kirsty kishore kivanc kjartan kjersti kjetil klaas klaasje knud knut kofi koji kojo komal konrad
    konstantin konstantina konstantinos koos koray kordula kornel kostadin kostas krasimir kresimir krista kristaps kristi kristie
    kristiina kristine kristins kristjan kristoffer kristopher kristy krisztian krisztina kubra kulli kumiko kuno kursat kveta kwabena
    kwadwo kwaku kwame kwasi kyllikki kyoko kyriaki kyriakos lacey lachlan ladislav laetitia laila laima lais lajos lakeisha lakshmi lala
    lale lali lalit lambros lamine lana larisa larissa lasha laszlo latasha latoya laureano laurens lauretta lauri lavinia lazzaro leandra
    leandro leela leendert leevi leif leigh lejla lembit leni lenka lennart lenny leocadia leonce leoncio leonel leopoldo lerato letizia
    levan levent levente levon leyla leyre liat liberto libor libuse licia lidia liduvina lieke lies liesbeth liesel lieselotte ligia
    ligita lihua liis lilia lilian liliana liliane lilit lindiwe lindsay lindsey linn lino lionel lior liora liron lisandro lisanne lisbet
    lisbeth lise livia livio liviu ljiljana ljubica llinos loes loic lois lone lope loredana lorenz loreta loretta loris louane louie
    loukas lowri luan luana lubomir lubos lucca lucelia lucette luchino lucho lucian lucien lucienne lucile lucille lucinda lucrezia
    ludger ludivine ludmila ludovic ludovica ludovico luigina luiz luiza luminita lupe lupita lusine luther lutz luuk lwazi lyle lynda
    lynette lynne lyubov lyudmila lyudmyla maaike maarika maarit maarten maartje maayan mabel macarena macario machteld madalina maddalena
    maddison madeleine madhav madhuri maelle maeva maeve mafalda magali magdalene magdolna mahesh mahir mahmud mahmut maie maija mair
    maire mairead mairi maite maka makayla makoto maksim maksym malachy malcolm malee malika malka malle mallory malte malu mamadou mami
    mamuka manabu manana mandla mandy manish manisha manoj manola manolo mansour manuelita marcelino marcella marcelle marcello marci
    marcial marcio maren marga margareta margarete margarethe margarida margarito margaud margherita margie margret margrethe mariam
    mariane mariangela marianna mariano maribel marica maricela maricruz marieke marielle marijan marijana marijke mariko marilene marilyn
    marino maris mariska marisol marissa marit maritza mariya marja marjatta marjolaine marjolein marjorie marketa marketta markku marla
    marleen marli marlies marlis marthe martial martijn martino martins marton martti maryna maryse marzia masaki masako masao masaru
    massimiliano matej mateja mateus matheus mathijs mathis mathurin mati matias matija matilde mats matti mattia mattie matus matvey maud
    maura mauricette maurilio mavluda maxence maximiliano maximino maximo maxine mayumi mbali meagan mechthild medea meelis meenakshi
    meera meghan megumi mehtap meike meiling meinhard meir meirav meirion melania melchiorre melchor melih melina melinda melisa meltem
    menachem menna menno merab meral meredith merel merete merike merja mert meruert merve mervi meryem metin mette mhairi mher micaela
    michail michela michelangelo michelline michiko midori mieke mieko mihaela mihai mihail mihaly mihkel miho miia mikheil miki miklos
    milada mildred milica millie milos miloslav miluse mimma mindaugas mindy minerva mingming minho minjun minnie minseo miquel miranda
    miray mircea mireille mirela mirella mirjam mirjami mirjana mirko miroslava mirva mirzo misaki mitsuko miyuki mkrtich mladen modesto
    mogens mohan mohit moises momoko montserrat moonika morag moran mordechai morgane morven moshe moussa mucahit muge muhammed muhammet
    mukaddes mukesh munevver munisa murat murdo muriel murilo musa mustapha muzaffer myfanwy mykhailo mykola mylene myra myrthe myrtle
    naama nadav nadege nadezhda nadir nadja naftali nalan nanami nandini nandor nannette naoki naoko naoto narciso narek narendra naresh
    nargiz nargiza narine nasir nasreen nasser natalee nataliia natalya natan natasa natascha natavan natela nathaniel natia natsuki
    nattapong naveen nazan nazaret nazario nazim nazli nebojsa necati necla necmettin nedda nedeljko nedim neelam neeraj neeta nehama
    neide nektarios nelida nemanja nemesio nenad nereida nergis nermin nerys neslihan nesrin nestor netanel nettie neusa nevena nevin
    nevzat ngoc ngozi ngugi nhung niall niamh nicanor nicasio nichole nicolasa nicolau nicoleta nicoletta nicolo nidia niek nienke nigar
    nihal nihat niina nikki niko nikolaos nikolay nikoleta nikolina nikos nilay nilda nilesh nilgun nilton nilufar nilufer niran nirit
    nisha nitin nitzan nivaldo njeri njoroge nkechi nkosana nneka noam noboru nodar nodir nodira noelia noelle noemia noemie noga nolwenn
    nomvula nonhlanhla noortje norberto noreen noriko normunds nosipho nuala nubia nune nunzia nuran nuray nurcan nurdan nurhayati nuri
    nurit nurlan nursel nursultan nurul nusrat nyoman obdulia octavian octavio odair odalys oddvar oded odete odette odil odile ofelia
    ofer ofir ofra oguz oguzhan ohad oisin okan oksana oktay oladele olafur olamide olavi olavo olcay oldrich oleg olegario olegs oleh
    oleksandr oleksandra oleksiy olena olimpia olinda oliviero olli olof olufemi oluwaseun omari ombeline omer omotola omri ondrej onno
    onofre onofrio onyeka ophelie oran orazio oreste orestis orhan oriane orietta oriol orit orjan orkhan orla orly orna ornella orsola
    orsolya osamu osman osnat osvaldo oswald otabek otar otavio otieno otilia otmar ottavio ottilie ottmar ottone ousmane outi ovidio
    ovidiu owain oybek oyvind ozcan ozge ozgur ozlem paavo padraic padraig paivi pallavi palmira pamela panagiota panagiotis pancho
    panteleimon panu paquito paraskevas paraskevi paride parvati pascale pascaline pascual pascuala pasi pasqual pasquale pastora patricio
    patrizia patrizio patsy patti patty paulette pauli paulien paulino paulius pavla pavlina pavlo pavlos peeter pehr pekka pelagia pelin
    pembe pentti perihan pernille perrine pertti petar peteris petro petrona petronella petros petru petteri petya philibert philomene
    phuong phyllis piergiorgio pierina pierluigi piermaria piero pierpaolo pierrette piet pietra pinar pinchas piret pirjo pirkko piroska
    plamen plinio polina pomponio ponciano pooja porfirio poul prakash pramod prasad prasert prashant pratik predrag preeti priit
    primitivo primoz priscilla priyanka prudencia prudencio puccio putri putu qiang quang quentin quinten quirino quiteria quynh rabea
    rabia rachael rachna radek radka radoslav radovan radu rafaela raffaele raffaella rafiq raghav ragna ragnar ragnheidur ragnhild rahima
    raija raimo raimondo raimonds raimund raimunda raimundo raisa raissa raivo rajan rajeev rajendra rajiv rakesh raluca ramazan ramesh
    ramil ramiro ramona ramune randall randi randolph rania ranjit ranka rano raphaelle rashad rashid rashmi ratko ratna ratree ravindra
    ravshan raymonde rayssa razvan rebeca rebekah recep refik reginald regine regis rehema reidar reiko reinaldo reiner reinhold reka
    rekha remco remi remigio remy remzi renan renato renaud renee renske resi reuven revaz reyhan reza rezaul rhian rhiannon rhodri rhona
    rhonda rhys riad rianne ricarda riccarda ricky rigoberto riikka riina riitta rika rikke rimantas rina rinat rini risto ritu ritva
    rivka riza roar roberval robyn rocco rochelle rocio roderick rodica rodney rodolfo rodolphe roel roelof rogelio rogerio rohini rohit
    roisin romain romana romane romeo romolo romulo romy ronaldo ronen ronit ronny roope roque rory rosalia rosalinda rosalva rosana
    rosangela rosanna rosaria rosaura rosel roselyne rosemarie rosendo roshni rosina rosine rositsa rossana rostislav roswitha rovshan
    roxana roxane roxanne rozalia ruairi ruaridh rudiger rudolph rudy ruediger rufat rufina rufino rufus ruggero ruggiero rukiye rune
    ruperta ruslan russ rustam rutger ruud ruveyda ruzanna ruzena ryota saara sabatino sabina sabri sachiko sachin sadia sadie sadik saeed
    safak safiya sahin saif saija sait sakura salih salim salima salman salome salomon samanta sameer sami samuli samvel sanaa sancho
    sandeep sander sandor sandris sandro sangeeta saniye sanja sanjar sanne sanni santeri santina santosh saoirse sardor sargis sarit
    sarita sarka sarvar sasa sasha saskia satenik satish satoru satoshi satu saturnina saturnino saule saulius saundra saverio savita
    sayaka seamus sebastiano sebastiao sebnem seda sedat seema sefa seija sekou selcuk selena selim selin selma semih semra senad senem
    senni seojun seoyeon serafin serafina serap sercan serdar sergius serhat serhii serhiy serife serik serkan serpil seth sevara severina
    severine severino severo sevil sevim sevinc sevinj seydou seyma sezen sezgin shabnam shachar shafiq shahid shahida shahin shahnoza
    shaked shalini shalom shalva shamim shana shani shanti shari sharmin shaul shavkat shawn shawna sheena sheldon shelia shelley shelly
    sheri sherri sherry sherzod shigeru shilpa shimon shinji shiori shira shiran shirlene shivani shizuka shlomit shlomo shmuel shobha
    shokhrukh shona shorena shoshana shota shulamit shun shushan shyam sian sibel sibusiso siddharth sidonie sieglinde sigal sigita
    sigmund signe sigrid sigrun sigurd sigurdur siiri silas silvana silvano silvestre silvestro silvio silviu simao simisola simonetta
    sinan sindre sinead sinem sinikka sinisa siobhan sioned sipho siranush siriporn sirje sirkka sirpa siti sivan sixto siyabonga sizwe
    sjaak sjors skyla slavica slavko slavomir slobodan smadar sneha snezana snezhana solange solene solomon somchai somsak sonal sonsoles
    sonya soojin soraia sorcha soren sorin sota sotiria sotirios spela spyridon spyros srdjan stacie stacy staffan stamatia stamatis
    stanislav stanislava stavros stavroula stefani stefanos stefka steinar stelian stelios stepan stepanka stephany stian stijn stine
    stjepan struan sture styliani stylianos suchart sude sudha sudhir suelen sujata sukran sukru suleyman sulistyo suna sunee sungmin
    sunil sunita supaporn surayyo suren surendra susann sushil sushma susie susumu suvi suzan suzette svein sverre svitlana swantje swati
    sybille sylvain sylvaine sylvester sylvestre sylviane synnove sytske szabolcs szilvia taavi tabitha tadashi tadeja tadeo tadhg tage
    tahmina taichi tainara tais taiwo takeshi takuya talgat tali talia talita tamas tamaz tami tammy tamuna tanel taner tanguy tanvi tanya
    tapani taras tariq tarja tarkan tarmo tarun tasha tatevik tatiane tatjana tatsuya tatyana tauno tayfun tegan teija teimuraz telemaco
    telma telmo temel temistocle temitope temur tendai teobaldo teodor teodora teodoro teofilo teona tere terence teresina tereza terhi
    teri terje tero terrance terrell terrence terri tetsuya teun thabo thaddeus thais thales thanasis thandi thandiwe thanh thao thayla
    thelma themba theodora theodoros theofilos theophile theresia thiago thibaud thibaut thijmen thijs thilo thomai thor thorbjorn
    thorsteinn thuy tibor tiburcio tigran tihana tihomir tiina tiit tijn tijs tilman tilo timea timm timmy timoteo timothee tineke tisha
    tito titouan tiziana tiziano tjeerd tofig togrul toivo tolga tomasa tome tomer tomislav tommaso tomoko tomomi toms tonia tonya toomas
    toon topi tora torben torbjorn tord torgeir toribio tormod tornike torquato toru torunn toshio tova tove traci tracie trang traute
    trent trevon triantafyllos tricia triin trine trinh trini tristan trond trude truls tsipora tsuyoshi tsvetan tsvetelina tuan tudor
    tugba tugce tuija tulay tulin tullio tuncay tunde tuomo tural turgut turkan tushar tuula tuva tuyet tygo tyrone tzvi ubaldo uberto
    ubirajara uche uchenna uday ufuk ugur uldis ulises ulisses ulku ulle ullrich ultan ulugbek ulviyya ulysse umberto umid umida umut urho
    uriel urmas uros ursel urte urve utku vaclav vadim vahagn vahan vahe vaida vaino vaja vakhtang valarie valdemar valdir valdis
    valentine valentino valentyna valeriano valerio valeriu valery valter vanda vandana vanesa vania vardan vartan varun varvara vasant
    vasco vasil vasile vasileios vasiliki vasilis vasily vasyl vedat vedran veena veera vegard veikko veit vello venancio vendula venkat
    vered vernice vesa vesna vibeke vicenta vicki vickie vicky victoriano victorien vidal vidar vidas vidya viesturs viet vigdis viggo
    vijay viktoria viktoriya vildan vilho villu vilma vilmos vinay vincenza vinicio vinod violaine viorel viorica virgilio virginie
    virginija virginio viridiana virpi vishal vitaliy vitaly vitor vittoria vittorio vivek viviana viviane vivien vivienne vjekoslav vlad
    vladan vladimira vladislav vlado vlasta vojtech volker volkmar volodymyr vugar vusal vyacheslav vytautas wahyu walburga waldemar
    waldir waleed walid walmir wambui wanderley wanjiku wanjiru wayan weiwei wellington wenke wessel wichai wiebe wiebke wieland wilbert
    wilbur wilfred wilfredo willard willeke willemijn willie wilma wiltrud winifred wolf wolfram wouter wulf xanthi xaver xavi xaviere
    xenia xenofon xiang xiaoling xiaoming xiomara xurshid yaakov yael yafit yago yair yaiza yakup yalcin yana yaniv yaron yaroslav
    yaroslava yasar yasemin yash yasin yasir yasmine yasuko yavuz yegor yehonatan yehoshua yehuda yehudit yekaterina yelena yeliz yeonwoo
    yerlan yesenia yesim yetunde yeva yevgeny yiannis yigal yigit yisrael yitzhak yngve yochai yoel yogesh yoko yolande yona yonatan yoram
    yosef yoshiko yoshio yossi yosuke yotam youko younes youngho yousef youssef yucel yudi yuichi yuka yukiko yuksel yulduz yulia yuliya
    yumi yumiko yunus yuriy yuta yutaka yuval yvan yvette yvon zaal zacarias zachariah zacharias zacharie zachary zackary zafar zahra zaid
    zaira zanele zarina zaruhi zaur zaven zaza zdenka zdravko zebo zeev zehava zehra zekeriya zeki zelia zeliha zeljka zeljko zerrin
    zhanar zhandos zhanna zhen ziga zilola zinaida zita zlatko zodwa zohar zokir zoltan zoraida zoran zorica zoya zsofia zsolt zsuzsa
    zsuzsanna zubair zuhal zulema zuleyha zulmira zurab zuzana zviad zvonimir
    александър анатолий андрій артем артём богдан борис борислав боян вадим валентин валентина валерий валерия
    варвара василий василь вера вероника виктория виталий володимир вячеслав віктор віталій галина геннадий
    георги георгий глеб григорий даниил данила демид десислава димитър дмитро евгения егор елизавета зинаида
    ивайло иванка ирина йордан калина катерина константин костадин красимир кристина лариса леонид
    лидия любовь людмила маргарита марина марія матвей микола милена мирослав мирослава михайло надежда
    наталия наталія николета оксана олександр олена павло петр петро петър пламен полина пётр раиса росица
    руслан светослав семен семён сергій снежана станислав степан стефан стефка стоян тамара тарас теодора
    тимофей тимур тихон федор фёдор цветан цветелина эдуард эльвира ярослав інна ірина
";

/// Names that are also places, months, things or words: only a label makes them names.
pub(super) const ALSO_WORDS: &str = "
    amber angel april art asia august aurora austin autumn barry basil bill billy bishop blake bob brad brett brooke brooklyn bruce cameron carol
    carter chad chance chandler charity charlotte chase chelsea cherry christa chuck clay cliff cole craig crystal curtis dakota dale dallas daisy
    dawn dean dewey don doug drew duke dusty earl eden elmer eve faith faye finn fleur florence floyd forest frances francis gale gene
    georgia gil ginger glen glenn grace grant gus guy harmony harper hazel heath henley holly homer honey hope hunter iker israel ivy jack jade
    jasmine jay jersey jerry jesse jewel jo jordan joy joyce judy juli july june justice kai kay ken kent kit kitty lance lane larry laurel lee
    lewis lily lincoln logan lola lorna lou luke luz mack madison marcia mark marsha marshall mason matt maverick max may mercedes mercury mercy mia miles
    milan milo misty mitchell molly monroe morgan nash nat nigel norma norman olive opal page paris parker pat patience paz pearl penny pepper
    perry phil phoenix piper porter precious prince quinn randy ray reed reese rex rich riley rio river rob robin rock rod rose rosario rowan ruby
    rusty sage sandy savannah scarlett shane shelby sid skip sky skyler sol sonny spencer stan star sterling stone storm summer sunny sydney tanner
    taylor ted terra tracey troy tyler van vance vera vernon vic victoria violet virginia wade warren wayne wes wesley west will willow wilson winter woody
    wyatt zara zion
";

/// Frequent family names that are hardly anything else.
pub(super) const SURNAMES: &str = "
    adams agarwal ahmed aguilar almeida alonso alvarez andersen anderson andersson araujo ari bailey baker banerjee barbosa bauer becker bennett
    bernard bianchi blom bose bouchard bruno butler campbell carlsson carvalho castillo castro chatterjee chaudhary chen choi clarke costa cruz
    das davies davis dubois dupont durand eriksson esposito evans ferrari ferreira fischer flores fontaine foster fournier garcia gill girard
    gomes gomez gonzales gonzalez greco green griffiths guerrero gupta gutierrez hall hansen hansson harris hernandez herrera hoffmann hughes
    huber iyer jackson jain jansen jansson janssen jenkins jensen jimenez johansen johansson jones joshi kaur keller khan kim klein kobayashi
    koch kowalska kowalski kovacs kumar larsen larsson lefebvre leroy lewandowski liu lopes lopez marques martinez mehta mendes mendoza menon
    meyer mitchell molina moore morales moreau moreno mueller muller murphy nagy nair nakamura nelson nguyen nielsen nilsson novak nowak
    o'brien o'connor oliveira olsen olsson ortega ortiz park parker patel pedersen pereira perez persson peters peterson petersson petrov pham
    phillips pinto popescu popov ramirez ramos rao reddy reyes ribeiro ricci richter rivera roberts robinson rocha rodrigues rodriguez rojas
    romano romero rossi rousseau ruiz russo saito sanchez santos sato schmid schmidt schmitt schneider schroder schulz schwarz sharma silva singh
    smirnov smith sorensen sousa souza suzuki svensson takahashi tanaka thompson torres tran vargas vasquez verma virtanen visser vogel wagner
    walker watanabe watson weber weiss williams wilson wong wright wu yadav yamada yamamoto yamaguchi yilmaz zhang zhao zhou zimmermann
    ivanov ivanova иванов иванова петров петрова смирнов смирнова кузнецов кузнецова попов попова
";
