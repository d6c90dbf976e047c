//! The words of names and addresses: what a word can mean beside a person's name or in a postal address, in all languages that we know it in.
//!
//! Words are compared without case and accents (`Straße`, `STRASSE` and `strasse` are one word), so they stand here in lower case and plain
//! letters. To teach the engine a word, add it under its sense; a word may have several.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::LazyLock;

use super::given_names;

/// Longer words are not looked up.
const WORD_MAX: usize = 40;

macro_rules! senses {
    ($($(#[$doc:meta])* $sense:ident: $words:expr;)*) => {
        /// What a word can mean.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Sense {
            $($(#[$doc])* $sense,)*
        }

        const WORDS: &[(Sense, &str)] = &[$((Sense::$sense, $words)),*];
    };
}

senses! {
    // Words of a label or of a member's name.

    /// Says that a name follows, though not of what.
    Name: "name names cn fn nm nume numele vardas vards ime meno emri onoma nom noms nome nomes nombre naam namen namn navn navne nimi jmeno nev isim ad adi imya имя 名前 名 お名前 namae mingzi 이름 姓名 氏名";
    /// Says that a person's name follows.
    OwnName: "fullname firstname lastname givenname familyname middlename surname surnames forename forenames realname maidenname legalname
        birthname cardholder cardholdername accountholder vorname vornamen nachname familienname zuname geburtsname rufname prenom prenoms nombres
        apellido apellidos cognome sobrenome apelido apelidos voornaam achternaam imie nazwisko imiona fornamn efternamn fornavn etternavn efternavn
        etunimi sukunimi kokonimi prijmeni keresztnev vezeteknev soyad soyadi familiya фамилия отчество фио 姓 名字 氏名 姓名 성명 성함 ансprechpartner
        ansprechpartner ansprechpartnerin karteninhaber kontoinhaber titulaire titular titolare intestatario signataire
        kontaktperson contactpersoon shimei seimei xingming";
    /// Which name of a person.
    Part: "full first last given family middle maiden birth legal preferred real christian second complete completo completa complet volledig volledige fullstandigt koko primeiro primer primera premier primo erste erster eerste cele uplne pelne tam voll volles voller vollstandiger ditt fullt ultimo secondo segundo";
    /// Who a name is of.
    Role: "customer customers contact contacts patient patients employee employees author authors owner owners recipient recipients
        sender senders member members guest guests passenger passengers traveler travelers traveller travellers person persons people holder
        holders cardholder buyer buyers seller payer payee beneficiary beneficiaries debtor creditor doctor physician surgeon nurse therapist
        student students teacher professor tenant landlord applicant applicants candidate candidates subscriber attendee attendees participant
        participants visitor resident citizen assignee assignees reporter requester requestor approver reviewer reviewers editor creator committer
        caller callee spouse mother father husband wife guardian signer signatory witness supervisor insured policyholder claimant lawyer
        attorney borrower lender driver courier shopper consumer donor voter volunteer colleague manager organizer organiser invitee consignee
        addressee profile identity actor identify individual principal dependent salesperson account
        user users kunde kunden kundin empfanger empfangers absender patientin mieter versicherter versicherungsnehmer mitarbeiter mitarbeiterin
        verfasser autor autorin nutzer benutzer inhaber kontakt cliente clientes cliente destinataire expediteur patiente auteur utilisateur
        adherent salarie assure destinatario remitente mittente paziente paciente empleado empleada autore utente usuario usuaria dipendente
        klant ontvanger afzender medewerker patienten klient klientka odbiorca nadawca pacjent pacjentka pracownik kund mottagare avsandare
        anstalld asiakas vastaanottaja lahettaja potilas kunde modtager afsender attn attention signed from cc bcc replyto
        billing shipping";
    /// Says that an account's name follows, which is as good as a person's.
    Account: "username usernames nickname nicknames screenname loginname benutzername nutzername kullaniciadi nomutilisateur nombreusuario
        gebruikersnaam anvandarnamn kayttajatunnus";
    /// Says that a part of a name follows that may be a thing's as well.
    Display: "display nick pretty client clients";
    /// A member beside which a bare `name` is a person's.
    Personal: "email emails mail phone phones telephone mobile cell dob birthdate birthday birth born firstname lastname surname ssn gender sex
        passport iban nationality salutation tel mailto geburtsdatum telefon telefono courriel correo prenom vorname nachname apellidos cognome age
        allergies diagnosis insurance hiredate salary pesel nino";
    /// Says that a postal address follows, or another one.
    Address: "address addresses addr adresse adressen adressse anschrift wohnort wohnanschrift adresszeile direccion domicilio indirizzo endereco
        morada adres adress osoite lakcim cim lokalizacja residence residencia residenza wohnadresse lieferadresse rechnungsadresse
        lieferanschrift rechnungsanschrift bezorgadres factuuradres leveransadress postadress hemadress bostadsadress toimitusosoite adressezeile
        住所 お届け先 地址 주소 адрес";
    /// Which postal address.
    Where: "billing shipping home delivery postal mailing residential residence street work office ship deliver bill mail livraison facturation
        envio facturacion entrega cobranca residencial spedizione fatturazione consegna residenza casa domicile lieferung rechnung bezorg
        levering factuur leverans faktura dostawy zamieszkania korespondencyjny postale postalische privat privee fiscal fiscale domicilio particular toimitus pickup dropoff permanent current registered physical
        property site venue destination origin forwarding temporary";
    /// Says that a street and a house number follow.
    Street: "street streetaddress streetname strasse strassenname hausnummer straat straatnaam rue calle via ulica gata gatuadress gateadresse
        gadenavn katu katuosoite lahiosoite logradouro addressline addrline streetline thoroughfare utca улица";
    /// A line of an address.
    Line: "line lines linea ligne zeile regel rad";
    /// Says that a postal code follows.
    Postcode: "zip zipcode postcode postalcode postal plz postleitzahl codepostal codigopostal cap cep postnummer postinumero postnr kod psc irsz
        郵便番号 邮编 индекс";
    /// Makes a name or an address one of machines or things.
    Technical: "ip ips ipv mac email mail host hostname remote bind listen listener server memory wallet bitcoin btc eth ethereum contract peer web
        http https local hw hardware ethernet base virtual network net broadcast gateway proxy socket bus device email load fault instruction
        start end link token from url uri public private src dst";
    /// A member whose value may look like a person's name and is none.
    Thing: "company product brand city title model vendor team project region country place venue location book song movie store shop hotel
        organization organisation org merchant manufacturer publisher employer school university category label tag topic font theme event
        plan feature";
    /// What stands around a value and says nothing.
    Wrapper: "value values stringvalue val string text content data item items element";

    // Words before a name in a sentence.

    /// Opens a letter.
    Greeting: "dear hi hello hey hola bonjour bonsoir salut ciao caro cara gentile buongiorno buonasera estimado estimada querido querida
        apreciado apreciada ola prezado prezada caro hallo liebe lieber geehrter geehrte guten beste geachte hej hejsan kara basta hei kjaere
        kaere cher chere czesc drogi droga szanowny szanowna merhaba sayin moin servus greetings welcome morning afternoon evening tag";
    /// Ends a letter.
    SignOff: "regards sincerely cheers best thanks yours faithfully truly grussen grusse gruss saludos cordialement atentamente saluti groeten
        groet halsningar hilsen pozdrowieniami pozdrawiam abracos atenciosamente cordialmente terveisin love wishes";
    /// Stands before a person's name.
    Title: "mr mrs ms mx dr prof professor doctor herr herrn frau fraulein monsieur madame mademoiselle mme mlle mmes sr sra srta senor senora
        senorita signor signora signore sig dott dottoressa dhr mevr mevrouw meneer dipl ing pani fru hr senhor senhora dona
        rev reverend judge captain colonel sergeant bay sayin";
    /// What people do: `approved by`, `assigned to`, `spoke with`.
    Act: "opened reported signed authored written submitted approved reviewed requested booked filed raised escalated assigned reassigned created
        sent uploaded edited posted owned merged commented prepared handled treated examined invited placed made paid placed purchased ordered
        registered cancelled canceled modified updated deleted changed issued accepted received witnessed verified completed done led
        performed taken checked confirmed addressed belongs spoke talked married met meeting chatted speaking up shared forwarded
        delegated transferred introduced diagnosed admitted referred prescribed ordered logged invited granted";
    /// The end of `my name is`, in other languages.
    CallMe: "adim ismim nevem vardas llamo appelle chiamo heet heter heisse nazywam chamo nimeni";

    /// The end of `I am`, in other languages.
    IAm: "soy suis bin sono jestem olen ben";

    // Words in a name.

    /// A family name, and hardly anything else.
    Surname: given_names::SURNAMES;

    /// Makes the name after it a person's: `my name`.
    Possessive: "my your his her their mein meine dein ihr ihre sein seine mi tu su mon votre ton son meu minha seu il mio suo mijn uw jouw min mitt
        din ditt moje moj";
    /// Stands before a name without saying whose it is.
    Article: "the a der die das le la el o den het et and";
    /// Stands in lower case between the parts of a name.
    Particle: "mac ni nic ui de da do dos das di del della dello degli dal du des d l la le los las van von der den vom zu zum zur af av bin ibn bint ben al el
        ter ten te t s y e i op mc 't 's";
    /// A given name and hardly anything else.
    Given: given_names::GIVEN;
    /// A given name, and a word as well.
    GivenToo: given_names::ALSO_WORDS;
    /// Is in no person's name: firms, offices, machines, calendars, and how sentences begin.
    Nobody: "inc ltd llc llp gmbh corp corporation co company ag plc sarl kg bv nv oy ab spa srl group team teams support service services system
        systems solutions technologies technology tech labs lab bank university college school institute department office sales marketing admin
        administrator administrators customer customers client clients user users account accounts world all everyone everybody somebody sir
        madam there valued friend friends folks guys server cloud api data database production staging test tests dev agent bot store shop center
        centre foundation studio engine project projects product products feature features error errors warning info debug trace fatal null none
        unknown undefined anonymous guest nobody system root default example sample string number object required invalid missing true false yes
        no na nil empty deleted redacted removed hidden monday tuesday wednesday thursday friday saturday sunday january february march
        september october november december montag dienstag mittwoch donnerstag freitag samstag sonntag the this that these those a an and or not
        please your you we they he she it our my if when then there here what why how who new old with for from to in on at by of is are was
        were be has have had do does did can could will would should may must got get set let see use using also after before
        hotel airport station river lake mountain park street avenue road square city town county state country north south east west northern
        southern eastern western central san santa saint st los las united great international national global general public private
        american european asian intel macintosh gecko windows linux mac macos android ios chrome firefox safari edge mozilla google microsoft amazon apple facebook
        oracle github gitlab docker kubernetes java python ruby rust node react angular visual code studio office exchange server client
        internet explorer web http https json xml html sql url uri id ip tcp udp dns tls ssl gpu cpu ram ssd usb pci bios acpi
        number total status type version release update upgrade build order invoice payment ticket issue report request response message mail email
        phone address date time day week month year morning evening night security privacy policy terms license access control manager
        management monitor monitoring network connection session process thread memory disk file files folder document page pages table view list
        item items box desk help helpdesk care operations ops engineering billing finance accounting hr legal newsletter notification
        notifications alert alerts noreply reply info contact hello community committee council board association society club
        partners associates consulting holdings holding industries enterprises media press magazine news daily times post journal
        app application applications platform framework library module package plugin extension driver device devices printer router gateway proxy
        host node cluster pod container worker job task queue topic stream event events log logs metric metrics dashboard search query
        dark light smart super ultra pro plus premium basic standard advanced edition
        good best happy thanks thank regards sincerely cheers welcome congratulations sorry first last next previous
        not found ok failed failure success successful started stopped running pending active inactive open closed enabled disabled
        damen herren kollegen team zusammen kundin kunde mesdames messieurs todos todas tutti equipe equipo kundenservice
        hiring interim chief officer director president vice head senior junior lead executive minister secretary
        content object class function method exception runtime kernel shell command script remote local
        bearer basic negotiate digest token key keys secret password utc gmt";

    // Words in an address.

    /// Ends the name of a street: `Main Street`.
    Suffix: "street st avenue ave av road rd boulevard blvd lane ln parkway pkwy crescent terrace highway hwy expressway turnpike";
    /// The same, but a word of other use.
    SuffixToo: "alley annex arcade bayou beach bend bluff bluffs bottom branch bridge brook brooks burg burgs bypass camp canyon cape causeway
        center centers circle circles cliff cliffs close club common commons corner corners course court courts cove coves creek crest crossing
        crossroad crossroads curve dale dam divide drive drives estate estates extension extensions fall falls ferry field fields flat flats ford
        fords forest forge forges fork forks fort freeway garden gardens glen glens green greens grove groves harbor harbors haven
        heights hill hills hollow inlet island islands isle junction junctions key keys knoll knolls lake lakes land landing light lights loaf
        lock locks lodge loop mall manor manors meadow meadows mews mill mills mission motorway mount mountain mountains neck orchard oval
        overpass park parks parkways pass passage path pike pine pines place plain plains plaza point points port ports prairie radial ramp
        ranch rapid rapids rest ridge ridges river roads route row rue run shoal shoals shore shores skyway spring springs spur spurs square
        squares station stravenue stream streets summit throughway trace track trafficway trail trailer tunnel underpass union unions
        valley valleys via viaduct view views village villages ville vista walk walks wall way ways well wells yard end gate hwy dr ct pl sq cir
        trl esplanade parade promenade wharf quay rise gateway gr ter cl cres pde";
    /// Begins the name of a street in its own language: `Calle Mayor`, `rue de la Paix`.
    Prefix: "strada bulevardul drumul aleea soseaua calea splaiul intrarea fundatura piata carrera cra travessia calle c avenida avda plaza paseo carrer ronda glorieta travesia carretera callejon rambla piazza viale vicolo piazzetta rua
        travessa praca alameda estrada rodovia ulica ul aleja aleje plac rue avenue boulevard chemin allee impasse faubourg quai ulice улица ул
        проспект";
    /// The same, but a word of other use.
    PrefixToo: "cl cr kr transversal autopista manzana viela morro conjunto jalan jl lorong via largo canale corso camino cuesta strada stretto rotonda borgo contrada incrocio pasaje urbanizacion acceso vial
        place cours route square passage voie sentier al pl os bd av bulevar cerrada circuito retorno prolongacion privada andador circunvalacion calzada eje viaducto peatonal continuacion periferico diagonal colonia rotonda sokak bulvar pasadizo barrio lungo salita am an im auf unter
        zum zur alte neue hinter der den kleine grosse lange kungsgatan";
    /// Ends the name of a street, in small letters: `Mannerheimin tie`.
    Ending: "utja koz krt korut setany liget dulo setaliste prilaz cesta put trg uul iela gatve gatves tn mnt tie katu kuja polku gate gata vej vei vag utca ut ter sokak caddesi cad namesti namestie ulica ulice trg gatan vagen";
    /// A part of a building.
    Unit: "apt apartment suite ste unit flat floor fl room rm piso puerta planta piano appartamento interno scala bat batiment app appt
        appartement etage stock lok lokal m bloco apto box building bldg block esc esq dept dpto departamento ap andar casa studio penthouse
        lot level lgh trappa huis bus wohnung interior int num numero zimmer stiege tur top kat daire escalier";
    /// A country, as the end of an address.
    Country: "usa us uk gb england scotland wales ireland canada australia germany deutschland france spain espana italy italia portugal brasil
        brazil netherlands nederland belgium belgique belgie switzerland schweiz suisse austria osterreich sweden sverige norway norge denmark
        danmark finland suomi poland polska czechia india japan china mexico argentina chile colombia greece turkey singapore luxembourg
        hungary romania";
    /// Stands before the place in a sentence: `lives at`.
    Live: "live lives living lived reside resides residing way goes deliver delivered delivery delivering ship ships shipped sent send move moved
        moving located situated resident address addressed parcel package mailed dispatched dispatch pickup collection collect collected depot route drive driving wohne wohnt wohnhaft habite domicilie vivo
        vive abito abita residente woon woont wonende mieszkam zamieszkaly bor boende asun moro mora registered relocated returned home office
        pick picked drop dropped arriving courier driver visit visited adresse adres";
}

/// A set of senses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Senses(u64);

impl Senses {
    /// Whether a sense is among them.
    pub(super) fn has(self, sense: Sense) -> bool {
        self.0 & (1 << sense as u8) != 0
    }

    /// Whether one of several is.
    pub(super) fn has_any(self, senses: &[Sense]) -> bool {
        senses.iter().any(|sense| self.has(*sense))
    }

    /// Whether the word begins neither a person's name nor an address.
    pub(super) fn is_nobody(self) -> bool {
        use Sense::{Given, GivenToo, Nobody, Prefix, PrefixToo, Title, Unit};
        self.has(Nobody) && !self.has_any(&[Given, GivenToo, Prefix, PrefixToo, Title, Unit])
    }

    /// Whether the word is known at all.
    pub(super) fn is_known(self) -> bool {
        self.0 != 0
    }
}

/// A short hash is enough for words that we wrote ourselves (FNV-1a).
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.0 = (self.0 ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

type ByWord = HashMap<&'static str, Senses, BuildHasherDefault<Fnv>>;

static BY_WORD: LazyLock<ByWord> = LazyLock::new(|| {
    let mut by_word = ByWord::default();
    for (sense, words) in WORDS {
        for word in words.split_whitespace() {
            by_word.entry(word).or_default().0 |= 1 << *sense as u8;
        }
    }
    by_word
});

/// The words of a sense.
pub(super) fn words(sense: Sense) -> impl Iterator<Item = &'static str> {
    WORDS.iter().filter(move |(known, _)| *known == sense).flat_map(|(_, words)| words.split_whitespace())
}

/// Short hashes of all words, as a bitmap: most words that are looked up are none of ours.
struct Known([u64; 1024]);

impl Known {
    fn slot(word: &[u8]) -> (usize, u64) {
        let hash = word.iter().fold(word.len() as u32, |hash, b| hash.wrapping_mul(0x0100_0193) ^ u32::from(b | 0x20));
        let hash = hash ^ (hash >> 15);
        ((hash >> 6) as usize % 1024, 1 << (hash % 64))
    }

    fn may_hold(&self, word: &[u8]) -> bool {
        let (slot, bit) = Known::slot(word);
        self.0.get(slot).is_some_and(|bits| bits & bit != 0)
    }
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let mut known = Known([0; 1024]);
    for word in BY_WORD.keys() {
        let (slot, bit) = Known::slot(word.as_bytes());
        if let Some(bits) = known.0.get_mut(slot) {
            *bits |= bit;
        }
    }
    known
});

/// The senses of a word, in whatever case and with its accents.
pub(super) fn senses(word: &str) -> Senses {
    if word.is_ascii() && !KNOWN.may_hold(word.as_bytes()) {
        return Senses::default();
    }
    Folded::of(word).map_or(Senses::default(), |folded| folded.senses())
}

/// A word in lower case and without accents.
pub(super) struct Folded {
    buffer: [u8; WORD_MAX + 4],
    length: usize,
}

impl Folded {
    /// Folds a word; `None` when it is too long to be one.
    pub(super) fn of(word: &str) -> Option<Folded> {
        if word.len() > WORD_MAX {
            return None;
        }
        let mut folded = Folded { buffer: [0; WORD_MAX + 4], length: 0 };
        if word.is_ascii() {
            folded.length = word.len();
            folded.buffer.iter_mut().zip(word.bytes()).for_each(|(slot, b)| *slot = b.to_ascii_lowercase());
            return Some(folded);
        }
        for c in word.chars() {
            let (base, more) = unaccented(c.to_lowercase().next().unwrap_or(c));
            folded.push(base);
            more.into_iter().for_each(|c| folded.push(c));
        }
        Some(folded)
    }

    fn push(&mut self, c: char) {
        let mut utf8 = [0; 4];
        let bytes = c.encode_utf8(&mut utf8).as_bytes();
        if let Some(slots) = self.buffer.get_mut(self.length..self.length + bytes.len()) {
            slots.copy_from_slice(bytes);
            self.length += bytes.len();
        }
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(self.buffer.get(..self.length).unwrap_or(&[])).unwrap_or("")
    }

    pub(super) fn senses(&self) -> Senses {
        BY_WORD.get(self.text()).copied().unwrap_or_default()
    }
}

/// A small letter without its accent, and the second letter of those that stand for two.
fn unaccented(c: char) -> (char, Option<char>) {
    let base = match c {
        'ß' => return ('s', Some('s')),
        'æ' => return ('a', Some('e')),
        'œ' => return ('o', Some('e')),
        'à'..='å' | 'ā' | 'ă' | 'ą' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'ď' | 'đ' | 'ð' => 'd',
        'è'..='ë' | 'ē' | 'ė' | 'ę' | 'ě' => 'e',
        'ğ' | 'ģ' => 'g',
        'ì'..='ï' | 'ī' | 'į' | 'ı' => 'i',
        'ķ' => 'k',
        'ĺ' | 'ļ' | 'ľ' | 'ł' => 'l',
        'ñ' | 'ń' | 'ņ' | 'ň' => 'n',
        'ò'..='ö' | 'ø' | 'ō' | 'ő' => 'o',
        'ŕ' | 'ř' => 'r',
        'ś' | 'ş' | 'š' | 'ș' => 's',
        'ţ' | 'ť' | 'ț' | 'þ' => 't',
        'ù'..='ü' | 'ū' | 'ů' | 'ű' | 'ų' => 'u',
        'ý' | 'ÿ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        other => other,
    };
    (base, None)
}

/// How a word is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `Jane`, `McDonald`, `O'Neil`, `Jean-Luc`.
    Capital,
    /// `J`, `J.`
    Initial,
    /// `JANE`.
    Caps,
    /// `jane`.
    Small,
    /// Without letter case: `山本学`.
    Ideographs,
    /// `javaScript`, `MercuryClient`.
    Mixed,
}

/// A word at a place in a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    /// One past its last byte; the full stop of an initial is part of it.
    pub(super) end: usize,
    pub(super) form: Form,
    /// How many characters it has.
    pub(super) length: usize,
}

/// Whether a character belongs to a script without letter case in which names are written.
pub(super) fn is_ideograph(c: char) -> bool {
    matches!(c, '々' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}')
}

/// Whether a character belongs to any script without letter case; the vowel signs of those that have them are part of their words.
pub(super) fn is_caseless(c: char) -> bool {
    is_ideograph(c)
        || matches!(c, '\u{5d0}'..='\u{5f4}' | '\u{620}'..='\u{65f}' | '\u{66e}'..='\u{6d3}' | '\u{900}'..='\u{963}' | '\u{971}'..='\u{dff}')
        || matches!(c, '\u{e01}'..='\u{e4e}' | '\u{e81}'..='\u{ecd}' | '\u{1000}'..='\u{103f}' | '\u{10d0}'..='\u{10ff}' | '\u{1200}'..='\u{135a}')
        || matches!(c, '\u{1780}'..='\u{17d3}')
}

/// The word that starts at `start`; `None` where none does.
pub(super) fn word_at(text: &str, start: usize) -> Option<Word> {
    if let Some(word) = plain_word_at(text, start) {
        return Some(word);
    }
    let rest = text.get(start..)?;
    let first = rest.chars().next()?;
    if is_caseless(first) {
        let length = rest.chars().take(WORD_MAX).take_while(|c| is_caseless(*c)).count();
        let bytes: usize = rest.chars().take(length).map(char::len_utf8).sum();
        return Some(Word { end: start + bytes, form: Form::Ideographs, length });
    }
    let mut writing = Writing::default();
    let mut end = 0;
    let mut length = 0;
    let mut chars = rest.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let inside =
            matches!(c, '\'' | '’' | '-') && length > 0 && chars.peek().is_some_and(|(_, c)| c.is_alphabetic());
        if !inside && (!c.is_alphabetic() || is_caseless(c)) || length == WORD_MAX {
            break;
        }
        writing.push(c);
        end = at + c.len_utf8();
        length += 1;
    }
    if length == 0 {
        return None;
    }
    let form = writing.form(rest.get(..end)?);
    let stop = form == Form::Initial && rest.get(end..)?.starts_with('.');
    Some(Word { end: start + end + usize::from(stop), form, length })
}

/// The same for the usual word: a capital and small letters, or small letters only, all ASCII, and none of the marks that may go on.
fn plain_word_at(text: &str, start: usize) -> Option<Word> {
    let rest = text.as_bytes().get(start..)?;
    let length = 1 + rest.get(1..)?.iter().take(WORD_MAX).take_while(|b| b.is_ascii_lowercase()).count();
    let ends = rest.get(length).is_none_or(|b| b.is_ascii() && !b.is_ascii_alphabetic() && !matches!(b, b'\'' | b'-'));
    let form = match rest.first()? {
        b'A'..=b'Z' if length > 1 => Form::Capital,
        b'a'..=b'z' => Form::Small,
        _ => return None,
    };
    (ends && length <= WORD_MAX).then_some(Word { end: start + length, form, length })
}

/// How many capitals and small letters a word has, and where.
#[derive(Default)]
struct Writing {
    capitals: usize,
    small: usize,
    /// A capital follows a small letter with nothing between them, first there.
    hump: Option<usize>,
    starts_small: bool,
    at: usize,
    before: char,
}

impl Writing {
    fn push(&mut self, c: char) {
        if c.is_uppercase() {
            self.capitals += 1;
            if self.before.is_lowercase() && self.hump.is_none() {
                self.hump = Some(self.at);
            }
        } else if c.is_alphabetic() {
            self.small += 1;
            self.starts_small |= self.at == 0;
        }
        self.before = c;
        self.at += c.len_utf8();
    }

    fn form(&self, word: &str) -> Form {
        const HUMPS: [&str; 10] = ["Mc", "Mac", "De", "Di", "Du", "La", "Le", "Van", "Von", "Fitz"];
        let hump_is_fine = self.hump.is_none_or(|at| HUMPS.iter().any(|known| word.get(..at) == Some(known)));
        match (self.capitals, self.small) {
            (1, 0) => Form::Initial,
            (_, 0) => Form::Caps,
            (0, _) => Form::Small,
            _ if self.starts_small || !hump_is_fine => Form::Mixed,
            _ if self.capitals > 1 + word.matches(['-', '\'', '’']).count() + usize::from(self.hump.is_some()) => {
                Form::Mixed
            }
            _ => Form::Capital,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_stands_here_as_it_is_looked_up() {
        for (sense, words) in WORDS {
            for word in words.split_whitespace() {
                assert!(senses(word).has(*sense), "{word}");
            }
        }
    }

    #[test]
    fn words_are_known_in_any_case_and_with_their_accents() {
        for (word, sense) in [
            ("Straße", Sense::Street),
            ("PRÉNOM", Sense::OwnName),
            ("Imię", Sense::OwnName),
            ("Władimir", Sense::Given),
            ("氏名", Sense::OwnName),
            ("Фамилия", Sense::OwnName),
        ] {
            assert_eq!(senses(word).has(sense), word != "Władimir", "{word}");
        }
    }

    #[test]
    fn the_form_of_a_word_is_how_it_is_written() {
        for (word, form) in [
            ("Jane", Form::Capital),
            ("McDonald", Form::Capital),
            ("O'Neil", Form::Capital),
            ("Jean-Luc", Form::Capital),
            ("Élodie", Form::Capital),
            ("J.", Form::Initial),
            ("JANE", Form::Caps),
            ("jane", Form::Small),
            ("山本学", Form::Ideographs),
            ("MercuryClient", Form::Mixed),
            ("javaScript", Form::Mixed),
            ("JSONs", Form::Mixed),
        ] {
            let found = word_at(word, 0).unwrap();
            assert_eq!((found.form, found.end), (form, word.len()), "{word}");
        }
    }
}
