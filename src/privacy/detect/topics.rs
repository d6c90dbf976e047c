//! The words that announce data, by topic and in all languages that we know them in.
//!
//! To teach a detector a label, add the word here: without capitals and accents (see [`fold`](super::fold)), one word or two with a blank
//! between them. A word may stand under several topics.

use std::sync::LazyLock;

use hashbrown::HashMap;

use super::context::Topics;
use super::fold::fold_into;

macro_rules! topics {
    ($($(#[$doc:meta])* $topic:ident: $($word:literal)*;)*) => {
        /// What a word announces.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Topic {
            $($(#[$doc])* $topic,)*
        }

        const WORDS: &[(Topic, &[&str])] = &[$((Topic::$topic, &[$($word),*])),*];
    };
}

topics! {
    /// Begins a pair of words; nothing by itself.
    Pair: ;
    /// May stand between a label and its value.
    Filler: "number" "numbers" "no" "nr" "nbr" "num" "nummer" "numer" "numero" "numerot" "n" "id" "ids" "code" "value" "val" "is" "was" "ist" "lautet" "est" "es" "e" "er" "on" "am" "el" "le" "il" "la"
        "den" "to" "as" "des" "str" "text" "raw" "plain" "digits" "ending" "primary" "new" "string" "book" "driver" "should" "be" "it";
    /// Says nothing as a name of its own: the one above it counts (`{"passport": {"old": ...}}`).
    Wrapper: "value" "values" "val" "old" "new" "before" "after" "string" "int" "number" "no" "num" "text" "raw" "current" "previous" "content" "digits" "full" "plain" "double" "data" "normalized"
        "formatted" "display" "masked" "original" "rejected" "input" "v" "s";
    /// No personal data: a number under such a word is not taken for one that needs a label.
    Other: "order" "orders" "invoice" "invoices" "transaction" "transactions" "tx" "txn" "tracking" "timestamp" "timestamps" "time" "times" "epoch" "ts"
        "sequence" "seq" "offset" "build" "commit" "job" "run" "batch" "ticket" "receipt" "sku" "product" "serial" "shipment" "parcel" "duration" "elapsed" "latency"
        "bytes" "size" "length" "count" "total" "amount" "price" "pid" "thread" "hash" "checksum" "digest" "nonce" "created" "updated" "bestellung" "bestellnummer" "auftrag" "rechnung" "commande"
        "facture" "pedido" "factura" "ordine" "fattura" "encomenda" "fatura" "bestelling" "factuur" "zamowienie" "faktura" "ordre" "tilaus" "lasku" "ms" "ns" "us" "counter" "snowflake"
        "tokens" "bigint" "isbn" "ean" "gtin" "upc" "barcode" "asin" "revision" "generation" "lsn" "xid" "oid" "zxid" "blocks" "block";
    /// A telephone number.
    Phone: "phone" "phones" "tel" "telephone" "mobile" "cell" "cellphone" "cellular" "fax" "whatsapp" "sms" "msisdn" "telefon" "telefono" "telefoon" "handy" "mobil" "movil" "celular" "callback" "gsm"
        "hotline" "rufnummer" "telefonnummer" "handynummer" "mobilnummer" "mobilfunknummer" "festnetz" "durchwahl" "telefax" "faxnummer" "portable" "telefonos" "celulares" "cellulare" "telefone" "telemovel"
        "telefoonnummer" "mobiel" "gsmnummer" "komorka" "komorkowy" "komorkowego" "telefonu" "mobiltelefon" "mobilnr" "telefonnr" "tlf" "tlfnr" "puhelin" "puhelinnumero" "matkapuhelin"
        "kannykka" "gsmnumero" "telnr" "telno" "phoneno" "phonenumber" "mobilenumber" "mobileno" "contactnumber" "contact number" "contact no" "landline" "viber" "signal number" "imessage" "telefonszam"
        "telefonni" "telefonas" "telefoni" "telefonnyi" "cep" "ponsel" "denwa" "keitai" "shouji" "dianhua" "电话" "电话号码" "联系电话" "手机" "手机号" "手机号码" "電話" "電話番号" "携帯" "携帯電話" "携帯番号" "전화번호" "휴대폰" "전화" "телефон" "τηλεφωνο";
    /// A telephone number if it is also written like one.
    Call: "call" "called" "calling" "caller" "contact" "reach" "dial" "dialed" "text" "ring" "rang" "voicemail" "anrufen" "anruf" "erreichbar" "appeler" "appelez" "joindre" "llamar" "llame" "llamame"
        "chiamare" "chiama" "chiami" "chiamami" "chiamata" "al numero" "ao numero" "pod numer" "my number" "meine nummer" "mi numero" "mon numero" "meu numero" "mio numero" "moj numer" "mitt nummer" "mijn nummer" "min nummer" "dzwonic" "telefonisch" "llamad" "llamada" "contatte" "contacter" "contactar" "ligar" "ligue" "bellen" "bel" "dzwon" "zadzwon" "soita" "unter" "helpline" "kontakt" "contacto" "contatto" "contato" "emergency";
    /// A payment card: longer numbers are often other ids.
    Card: "card" "cards" "cc" "ccn" "ccnum" "cardnumber" "cardno" "creditcard" "debitcard" "pan" "credit" "debit" "visa" "mastercard" "amex" "unionpay" "maestro" "discover" "diners" "jcb" "payment"
        "kreditkarte" "kreditkartennummer" "kartennummer" "karte" "carte" "tarjeta" "carta" "cartao" "kaart" "kaartnummer" "creditcardnummer" "karta" "karty" "kort" "kortnummer" "kortti" "korttinumero"
        "luottokortti" "kreditkort" "kredittkort" "betalkort" "bankcard" "girocard";
    /// A US social security or taxpayer number.
    Ssn: "ssn" "ssns" "socialsecurity" "social security" "itin" "soc sec" "social sec" "my social" "social number" "social no" "ss nummer" "socialsecuritynumber" "tin" "taxpayer" "tax id" "taxid" "ss number" "ss no";
    /// A social security number if it is also written in groups.
    Social: "social" "ss";
    /// A hardware address.
    Mac: "mac" "macs" "hwaddr" "hwaddress" "lladdr" "ether" "bssid" "wifi" "wlan" "ethernet" "macaddr" "macaddress" "mac address" "hardware address" "physical address";
    /// A version or a place in a document: four numbers with dots are no address then.
    Version: "v" "version" "versions" "ver" "build" "release" "firmware" "sdk" "driver" "upgraded" "upgrade" "revision" "rev" "patch" "oid" "chapter" "section" "clause" "paragraph" "figure" "appendix" "article" "rule";
    /// A number that a state gives to a person.
    NationalId: "national id" "nationalid" "national identification" "national identity" "national number" "identity number" "identity card" "identity no" "identification number" "identity document"
        "id number" "id card" "id no" "id document" "idnumber" "idcard" "personal id" "personal number" "personal code" "personalcode" "personal identity" "personal identification" "citizen id"
        "citizen number" "citizenid" "resident id" "residentid" "tax id" "taxid" "taxnumber" "tax number" "tax identification" "taxpayer" "tax no" "tax code" "taxcode" "tin" "fiscal number" "fiscal code"
        "fiscal id" "fiskal" "nationalnumber" "government id" "govt id" "gov id" "ausweisnummer" "personalausweis" "personalausweisnummer" "ausweis" "ausweis nr" "documento identita" "documento identidad"
        "numero fiscal" "identificacion fiscal" "numero identificacion" "cedula" "cedula identidad" "identite" "carte identite" "cni" "identifiant national" "identiteitskaart" "identiteitsnummer"
        "dowod" "dowod osobisty" "dowodu" "legitimation" "nationell id" "henkilokortti" "national insurance" "kimlik" "身份证" "主民" "주민등록번호" "마이넘버" "マイナンバー" "eid"
        "cpf" "bsn" "dni" "oib" "egn" "cnp" "tfn" "tckn" "rrn" "nir" "ahv" "svnr" "pesel";
    /// A Spanish DNI or NIE.
    Es: "dni" "nie" "nif" "documento nacional" "identificacion" "extranjero" "dnie";
    /// A French social security number.
    Fr: "nir" "insee" "securite sociale" "securite" "secu" "numero secu" "numsecu" "num secu";
    /// An Italian tax code.
    It: "codice fiscale" "codicefiscale" "codfisc" "cod fisc" "cod fiscale" "cf" "fiscale" "c f";
    /// A German tax number.
    De: "steuer" "steuerid" "steuer id" "steuernummer" "steueridentifikationsnummer" "steueridnr" "idnr" "identifikationsnummer" "steuer identifikationsnummer" "steuerliche" "id nr";
    /// A Dutch citizen number.
    Nl: "bsn" "burgerservicenummer" "sofinummer" "sofi" "burgerservice";
    /// A Belgian register number.
    Be: "rijksregisternummer" "rijksregister" "registre national" "nrn" "insz" "niss" "numero national" "rrn" "rijksregisternr" "nationaalnummer";
    /// A Polish PESEL.
    Pl: "pesel";
    /// A Swedish personal number.
    Se: "personnummer" "personnr" "samordningsnummer" "pnr" "person nr" "svenskt personnummer" "persnr";
    /// A Finnish personal code.
    Fi: "hetu" "henkilotunnus" "personbeteckning" "personbeteckningen" "sotu" "henkilotunnuksen";
    /// A Danish personal number.
    Dk: "cpr" "personnummer" "cprnr" "cprnummer" "cpr nummer";
    /// A Norwegian birth number.
    No: "fodselsnummer" "fnr" "personnummer" "fodselsnr" "dnummer" "d nummer";
    /// A Portuguese tax number.
    Pt: "nif" "contribuinte" "numero contribuinte" "niss" "identificacao fiscal" "numero fiscal";
    /// An Austrian insurance number.
    At: "sozialversicherungsnr" "sozialversicherungs" "svnr" "sozialversicherungsnummer" "sv nummer" "sv nr" "sozialversicherung" "versicherungsnummer" "svnummer";
    /// An Irish public service number.
    Ie: "pps" "ppsn" "public service" "pps number";
    /// A Czech or Slovak birth number.
    Cz: "rodne cislo" "rodnecislo" "rc" "rodne" "rodnym";
    /// A Romanian personal code.
    Ro: "cnp" "cod numeric" "codul numeric" "numeric personal";
    /// A Bulgarian citizen number.
    Bg: "egn" "единен граждански" "граждански номер" "edinen grazhdanski" "егн" "uniform civil";
    /// A Greek insurance number.
    Gr: "amka" "αμκα";
    /// A Croatian personal number.
    Hr: "oib" "osobni identifikacijski";
    /// A Baltic personal code.
    Baltic: "isikukood" "asmens kodas" "asmenskodas" "personas kods" "personaskods" "isikukoodi" "asmens" "ik";
    /// A Swiss insurance number.
    Ch: "ahv" "avs" "ahvnummer" "ahv nummer" "avs numero" "ahvnr" "numero avs" "oasi" "navs" "ahvn";
    /// A Brazilian tax number of a person or firm.
    Br: "cpf" "cnpj" "cadastro pessoa" "cpfcnpj" "cpf cnpj";
    /// An Indian Aadhaar or tax number.
    In: "aadhaar" "aadhar" "uidai" "adhaar" "uid" "pan" "permanent account" "pancard" "pan card" "aadhaarnumber";
    /// A Canadian insurance number.
    Ca: "sin" "social insurance" "socialinsurance" "nas" "assurance sociale" "numero nas";
    /// An Australian tax or health number.
    Au: "tfn" "tax file" "taxfile" "taxfilenumber" "medicare" "medicare card";
    /// A New Zealand tax number.
    Nz: "ird" "inland revenue" "ird number";
    /// A Mexican CURP or RFC.
    Mx: "curp" "rfc" "clave unica";
    /// A South African identity number.
    Za: "rsa id" "sa id" "south african" "said" "zaid" "za id" "identity";
    /// A Singaporean identity number.
    Sg: "nric" "fin" "nricfin";
    /// A Korean registration number.
    Kr: "rrn" "resident registration" "jumin" "주민등록번호" "주민번호" "juminbeonho";
    /// A Chinese resident number.
    Cn: "sfz" "身份证" "身份证号" "身份证号码" "shenfenzheng" "sfzh" "resident identity";
    /// A Turkish identity number.
    Tr: "tckn" "tc kimlik" "kimlik" "kimlik no" "tc no" "t c" "tcno" "tckimlik";
    /// A Japanese My Number.
    Jp: "my number" "mynumber" "マイナンバー" "個人番号" "kojin bango";
    /// An Icelandic identity number.
    Is: "kennitala" "kt" "kennitolu";
    /// A Greek tax number.
    GrTax: "afm" "αφμ";
    /// A Hungarian insurance number.
    Hu: "taj" "taj szam" "tajszam";
    /// A personal number of the successors of Yugoslavia.
    Yu: "jmbg" "emso" "maticni broj" "matični broj" "embg" "umcn";
    /// A Chilean tax number.
    Cl: "rut" "run";
    /// An Argentine tax number.
    Ar: "cuit" "cuil" "cdi";
    /// A Thai identity number.
    Th: "thai" "thai id" "thai national" "บัตรประชาชน";
    /// An Israeli identity number.
    Il: "israeli" "israeli id" "teudat zehut" "teudat" "tz" "zehut" "mispar zehut";
    /// An identity number of Hong Kong.
    Hk: "hkid" "hong kong";
    /// A Taiwanese identity number.
    Tw: "taiwan" "taiwan id" "roc id" "身分證" "身分證字號";
    /// A Malaysian identity number.
    My: "nric" "mykad" "ic number" "ic no" "kad pengenalan";
    /// A Pakistani identity number.
    Pk: "cnic" "nicop" "nadra";
    /// A British national insurance number.
    Nino: "nino" "ni" "n i" "nat ins" "national insurance" "ni number" "ni no" "nationalinsurance" "nationalinsurancenumber" "insurance number" "ninumber";
    /// A British patient number.
    Nhs: "nhs" "nhsnumber" "nhsno" "national health" "health service" "patient";
    /// A passport.
    Passport: "passport" "passports" "passportno" "passportnumber" "travel document" "traveldocument" "reisepass" "reisepassnummer" "passnummer" "passnr" "pass nr" "passeport" "pasaporte" "passaporto"
        "passaporte" "paspoort" "paspoortnummer" "paszport" "paszportu" "pass nummer" "passnumero" "passi" "passin" "pas nummer" "pasnummer" "pasnr" "pasnummeret" "passet" "pasaport" "utlevel" "паспорт" "护照"
        "パスポート" "여권" "διαβατηριο";
    /// A driver's licence.
    License: "driver license" "driver licence" "drivers license" "drivers licence" "driverslicense" "driverslicence" "driverlicense" "driverlicence" "driving license" "driving licence" "drivinglicence"
        "drivinglicense" "license number" "licence number" "license no" "licence no" "dl" "dln" "dlno" "dl number" "dmv" "dvla" "drivers lic" "driver lic" "operator license"
        "fuhrerschein" "fuhrerscheinnummer" "fuehrerschein" "fuehrerscheinnummer" "permis conduire" "permis" "carnet conducir" "permiso conducir" "licencia conducir" "patente" "patente guida" "carta conducao"
        "cnh" "rijbewijs" "rijbewijsnummer" "prawo jazdy" "korkort" "korkortsnummer" "forerkort" "korekort" "ajokortti" "ajokortin" "cdl" "licencia" "conducir" "conduire";
    /// A date of birth.
    Birth: "o b" "birth" "dob" "born" "birthday" "birthdate" "dateofbirth" "birthdt" "bday" "birth date" "geburtsdatum" "geburtstag" "geboren" "geb" "gebdatum" "geb dat" "geburt" "gebdat" "nacimiento"
        "fechanacimiento" "nacido" "nacida" "nacio" "naci" "nasci" "naquit" "ne en" "nata il" "nato il" "seinengappi" "tanjobi" "tanjoubi" "szuletesnap" "gimimo" "sunnitud" "dzimsanas" "cumpleanos" "naissance" "ne le" "nee le" "datenaissance" "anniversaire" "nascita" "datanascita" "nato" "nata" "compleanno" "nascimento"
        "datanascimento" "nascido" "nascida" "nasceu" "aniversario" "geboortedatum" "geboorte" "geborene" "geboortedag" "verjaardag" "urodzenia" "urodzony" "urodzona" "ur" "urodzin" "fodd" "fodelsedatum"
        "fodelsedag" "fodelsetid" "fodt" "fodselsdato" "fodselsdag" "foedt" "foedselsdato" "syntynyt" "syntymaaika" "syntymapaiva" "syntynyt" "narozeni" "narozen" "narozena" "datumnarozeni" "nastere" "nascut"
        "rojstva" "rodenja" "roden" "szuletesi" "szuletett" "dogum" "doğum" "dogumtarihi" "рождения" "γεννησης" "生年月日" "出生" "生日" "생년월일" "lahir" "sinh";
    /// The serial number of a telephone.
    Imei: "imei" "imeis" "imeisv" "meid" "esn" "imsi" "iccid";
    /// A vehicle.
    Vin: "vin" "vins" "vehicle identification" "vehicleid" "vehicle id" "chassis" "fahrgestellnummer" "fin" "fahrzeug identifizierungsnummer" "identifizierungsnummer" "bastidor" "telaio" "chassisnummer";
    /// Degrees of a place on earth.
    Degrees: "lat" "latitude" "lng" "lon" "long" "longitude" "coordinates" "coordinate" "coords" "coord" "geo" "gps" "geolocation" "geopoint" "latlng" "latlon" "lonlat" "koordinaten"
        "coordonnees" "coordenadas" "coordinate" "coordinaten" "breitengrad" "langengrad" "breite" "lange" "latitud" "longitud" "latitudine"
        "longitudine" "breddegrad" "leveysaste" "pituusaste";
    /// A place: of two numbers only.
    Place: "location" "position" "standort" "ubicacion" "posizione" "localizacao" "locatie" "ll" "geocode" "waypoint" "pickup" "dropoff" "near" "located" "map" "maps" "center" "centre" "point"
        "query" "q" "loc" "geom" "geometry";
    /// A wallet of a crypto currency.
    Wallet: "wallet" "wallets" "btc" "bitcoin" "eth" "ethereum" "crypto" "address" "ltc" "litecoin" "doge" "dogecoin" "xrp" "ripple" "tron" "trx" "xmr" "monero" "solana" "sol" "deposit" "withdraw"
        "withdrawal" "payout" "usdt" "usdc" "cardano" "ada" "polkadot";
    /// A bank account.
    Account: "account number" "account no" "accountnumber" "acct number" "acct no" "acctno" "bank account" "bankaccount" "kontonummer" "kontonr" "konto" "cuenta bancaria" "numero cuenta" "numero compte"
        "numero conto" "conta bancaria" "rekeningnummer" "rachunku" "numer rachunku" "tilinumero" "bankkonto" "bban" "clabe" "sort code" "sortcode" "checking account" "savings account" "account num";
    /// An American bank.
    Routing: "routing" "aba" "abarouting" "rtn" "routingnumber" "aba routing" "transit";
}

/// Topics of one country's number. Their longer words announce a national id altogether; short ones (`pps`, `nie`) may mean anything
/// and need a number with the right check digits.
fn is_countrys(topic: Topic) -> bool {
    (Topic::Es as u8..=Topic::Nino as u8).contains(&(topic as u8)) && topic != Topic::Za
}

/// Words of a country's number have this many letters to announce any national id.
const CLEAR: usize = 5;

/// The words, and which first and last letters and lengths they have: that tells nearly all other words without a look-up.
struct Vocabulary {
    by_word: HashMap<Vec<u8>, Topics>,
    lengths: [[u64; 32]; 32],
}

impl Vocabulary {
    fn build() -> Vocabulary {
        let mut vocabulary = Vocabulary { by_word: HashMap::new(), lengths: [[0; 32]; 32] };
        for (topic, words) in WORDS {
            for word in *words {
                let clear = is_countrys(*topic) && word.len() >= CLEAR;
                let also = if clear { Topics::of(Topic::NationalId) } else { Topics::default() };
                vocabulary.add(word, Topics::of(*topic) | also);
                if let Some((first, _)) = word.split_once(' ') {
                    vocabulary.add(first, Topics::of(Topic::Pair));
                }
            }
        }
        vocabulary
    }

    fn add(&mut self, word: &str, topics: Topics) {
        let mut folded = vec![0; word.len()];
        let length = fold_into(word.as_bytes(), &mut folded);
        folded.truncate(length);
        if let Some(slot) =
            self.lengths.get_mut(letter(folded.first())).and_then(|row| row.get_mut(letter(folded.last())))
        {
            *slot |= length_bit(length);
        }
        let known = self.by_word.entry(folded).or_default();
        *known = *known | topics;
    }

    fn may_hold(&self, word: &[u8]) -> bool {
        let lengths = self.lengths.get(letter(word.first())).and_then(|row| row.get(letter(word.last())));
        lengths.is_some_and(|lengths| lengths & length_bit(word.len()) != 0)
    }

    fn get(&self, folded: &[u8]) -> Topics {
        if !self.may_hold(folded) {
            return Topics::default();
        }
        self.by_word.get(folded).copied().unwrap_or_default()
    }
}

fn letter(b: Option<&u8>) -> usize {
    usize::from(b.copied().unwrap_or(0) & 31)
}

fn length_bit(length: usize) -> u64 {
    1 << (length & 63)
}

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(Vocabulary::build);

/// What a word, or two with a blank between them, announces. The words are folded.
pub(super) fn of_words(folded: &[u8]) -> Topics {
    VOCABULARY.get(folded)
}

/// Whether an ASCII word, in whatever case, may announce something.
pub(super) fn may_be_word(word: &[u8]) -> bool {
    VOCABULARY.may_hold(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_can_be_found() {
        for (topic, words) in WORDS {
            for word in *words {
                assert!(super::super::context::topics_of(word.as_bytes()).has(*topic), "{word}");
            }
        }
    }
}
