//! Given names that are frequent somewhere, without accents: they tell a person's name from a title or a product where nothing else does.
//!
//! The lists are short on purpose: a rare name is found by the label, greeting or key before it, not by being known.

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
